"""Programmes in immutable versions: units, learning outcomes, points (ECVET Recommendation 2009/C 155/02)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum

from cme_kit.problems import FieldError
from pydantic import BaseModel, ConfigDict, Field

from curriculum.profiles.domain import Skills, repeated, unknown_skills


class OutcomeKind(StrEnum):
    """The three columns of the European Qualifications Framework (Recommendation of 22 May 2017, annex II)."""

    KNOWLEDGE = "knowledge"
    SKILLS = "skills"
    RESPONSIBILITY_AUTONOMY = "responsibility_autonomy"


class VersionState(StrEnum):
    """Where a version stands. Only a draft can be edited; a published version never changes again."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    VALIDATED = "validated"
    PUBLISHED = "published"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Outcome(_Frozen):
    """What a learner knows, understands and is able to do."""

    outcome_id: str = Field(description="out_…")
    code: str = Field(description="Short code within the programme, such as M1-S1")
    kind: OutcomeKind = Field(description="Column of the European Qualifications Framework")
    statement: dict[str, str] = Field(description="What a learner knows or can do, by language")
    required: bool = Field(description="Whether the unit's points need it")
    area: str = Field(description="Code of the profile's area of competence")
    esco_uris: list[str] = Field(description="ESCO skills it maps to")


class Unit(_Frozen):
    """A coherent set of learning outcomes that is assessed and validated as one."""

    unit_id: str = Field(description="unt_…")
    code: str = Field(description="Short code within the programme, such as M1")
    module: int = Field(description="Number of the module, from 1")
    title: dict[str, str] = Field(description="Title by language")
    host: str = Field(description="Name of the organisation that hosts the module")
    points: int = Field(description="ECVET points")
    assessment_method: dict[str, str] = Field(description="How it is assessed, by language")
    criteria: dict[str, str] = Field(description="What the assessors look for, by language")
    outcomes: list[Outcome] = Field(description="Its learning outcomes, in order")


class Content(_Frozen):
    """What reviewers vote on and learners follow."""

    title: dict[str, str] = Field(description="Title by language")
    summary: dict[str, str] = Field(description="One paragraph by language")
    profile_id: str = Field(description="prf_… of the occupation it trains for")
    language: str = Field(description="Language of teaching")
    eqf_level: int = Field(description="Level of the European Qualifications Framework, 1 to 8")
    points: int = Field(description="ECVET points, the sum of the units' points")
    units: list[Unit] = Field(description="The units, in the order of their modules")


class Validation(_Frozen):
    """The review that approved a version, as counts: the votes stay with the review."""

    review_id: str = Field(description="rev_…")
    content_hash: str = Field(description="The content that was voted on")
    validated_at: datetime = Field(description="UTC")
    experts: int = Field(description="Experts who voted")
    reference_group: int = Field(description="Members of the reference group who voted")
    in_favour: int = Field(description="Votes to approve")
    against: int = Field(description="Votes to reject")


class Version(_Frozen):
    """One version of a programme."""

    programme_id: str
    version: int
    slug: str
    state: VersionState
    revision: int
    content: Content
    content_hash: str
    validation: Validation | None = None
    created_by: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = None

    def unit_codes(self) -> set[str]:
        """The codes of the units."""
        return {unit.code for unit in self.content.units}

    def has_outcome(self, outcome_id: str) -> bool:
        """Whether a learning outcome belongs to this version."""
        return any(outcome.outcome_id == outcome_id for unit in self.content.units for outcome in unit.outcomes)


class Programme(_Frozen):
    """What all versions of a programme have in common."""

    programme_id: str = Field(description="prg_…")
    slug: str = Field(description="Name in addresses; it never changes")
    latest_version: int = Field(description="Number of the newest version, published or not")
    published_version: int | None = Field(default=None, description="The version that the catalogue shows")
    created_at: datetime = Field(description="UTC")


def content_hash(content: Content) -> str:
    """SHA-256 (hex) of the canonical JSON of the content.

    For these values (ASCII keys, whole numbers, no floats) sorted keys and no blanks are what RFC 8785 asks for.
    """
    canonical = json.dumps(
        content.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def renewed(content: Content, new_id: Callable[[str], str]) -> Content:
    """The same content with new ids for units and outcomes: those of a published version are its own for ever."""
    units = [
        unit.model_copy(
            update={
                "unit_id": new_id("unt"),
                "outcomes": [outcome.model_copy(update={"outcome_id": new_id("out")}) for outcome in unit.outcomes],
            }
        )
        for unit in content.units
    ]
    return content.model_copy(update={"units": units})


def _fault(place: str, code: str, detail: str) -> FieldError:
    return FieldError(field=f"body.{place}", code=code, detail=detail)


def content_faults(content: Content, areas: Collection[str], skills: Skills) -> list[FieldError]:
    """Every rule of the field that a content breaks: points, codes, areas, skills."""
    faults = []
    total = sum(unit.points for unit in content.units)
    if total != content.points:
        detail = f"The units' points add up to {total}; the programme says {content.points}."
        faults.append(_fault("points", "points_do_not_add_up", detail))
    unit_twice = repeated([unit.code for unit in content.units])
    outcome_twice = repeated([outcome.code for unit in content.units for outcome in unit.outcomes])
    for u, unit in enumerate(content.units):
        if unit.code in unit_twice:
            faults.append(_fault(f"units.{u}.code", "repeated", f"Another unit has the code {unit.code}."))
        if u and unit.module < content.units[u - 1].module:
            faults.append(_fault(f"units.{u}.module", "out_of_order", "Write the units in the order of their modules."))
        if not any(outcome.required for outcome in unit.outcomes):
            detail = "Require at least one outcome: points without an assessed outcome are no credit."
            faults.append(_fault(f"units.{u}.outcomes", "nothing_required", detail))
        for o, outcome in enumerate(unit.outcomes):
            place = f"units.{u}.outcomes.{o}"
            if outcome.code in outcome_twice:
                faults.append(_fault(f"{place}.code", "repeated", f"Another outcome has the code {outcome.code}."))
            if outcome.area not in areas:
                detail = f"The profile has no area {outcome.area}; it has {', '.join(sorted(areas))}."
                faults.append(_fault(f"{place}.area", "unknown_area", detail))
            faults += unknown_skills(outcome.esco_uris, skills, f"body.{place}.esco_uris")
    return faults
