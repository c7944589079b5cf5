"""Bodies of the programme endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cme_kit.schemas import LanguageCode, LanguageMap, Schema, ShortText, example
from pydantic import BaseModel, Field, StringConstraints

from curriculum.profiles.schemas import Code, SkillUri
from curriculum.programmes.domain import Content, OutcomeKind, Programme, Unit, Validation, Version, VersionState

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


class OutcomeDraft(Schema):
    """A learning outcome."""

    code: Code = Field(description="Short code within the programme, such as M1-S1")
    kind: OutcomeKind = Field(description="Column of the European Qualifications Framework")
    statement: LanguageMap = Field(description="What a learner knows or can do, by language")
    required: bool = Field(strict=True, description="Whether the unit's points need it")
    area: Code = Field(description="Code of the profile's area of competence")
    esco_uris: list[SkillUri] = Field(default_factory=list, max_length=50, description="ESCO skills it maps to")


class UnitDraft(Schema):
    """A unit of learning outcomes."""

    code: Code = Field(description="Short code within the programme, such as M1")
    module: int = Field(strict=True, ge=1, le=100, description="Number of the module, from 1")
    title: LanguageMap = Field(description="Title by language")
    host: ShortText = Field(description="Name of the organisation that hosts the module")
    points: int = Field(
        strict=True, ge=1, le=600, description="ECVET points; 60 stand for a year of full-time training"
    )
    assessment_method: LanguageMap = Field(description="How it is assessed, by language")
    criteria: LanguageMap = Field(description="What the assessors look for, by language")
    outcomes: list[OutcomeDraft] = Field(min_length=1, max_length=100, description="Its outcomes, in order")


class ProgrammeDraft(Schema):
    """A programme as its authors write it."""

    model_config = example(
        slug="cluster-manager",
        title={"en": "Cluster Manager"},
        summary={"en": "One year, four modules, twenty points."},
        profile_id="prf_01k8z4m7qhe5tb3v9w2x6y0n1c",
        language="en",
        eqf_level=6,
        points=5,
        units=[
            {
                "code": "M1",
                "module": 1,
                "title": {"en": "Collaboration and leadership"},
                "host": "Hyper Island",
                "points": 5,
                "assessment_method": {"en": "Facilitated workshop and peer assessment"},
                "criteria": {"en": "Leads a group to a decision that all carry"},
                "outcomes": [
                    {
                        "code": "M1-S1",
                        "kind": "skills",
                        "statement": {"en": "Leads the building of trust across borders"},
                        "required": True,
                        "area": "C1",
                        "esco_uris": ["http://data.europa.eu/esco/skill/bf5d77ad-e18c-48d8-83f0-bc79c011c74a"],
                    }
                ],
            }
        ],
    )

    slug: Slug = Field(description="Name in addresses: small letters, digits, single hyphens; it never changes")
    title: LanguageMap = Field(description="Title by language")
    summary: LanguageMap = Field(description="One paragraph by language")
    profile_id: str = Field(max_length=60, description="prf_… of the occupation it trains for")
    language: LanguageCode = Field(default="en", description="Language of teaching")
    eqf_level: int = Field(strict=True, ge=1, le=8, description="Level of the European Qualifications Framework")
    points: int = Field(strict=True, ge=1, le=600, description="ECVET points, the sum of the units' points")
    units: list[UnitDraft] = Field(min_length=1, max_length=50, description="The units, in the order of their modules")


class NoFields(Schema):
    """An empty body."""

    model_config = example()


class Withdrawal(Schema):
    """Why a course leaves the catalogue."""

    model_config = example(reason="Followed by Cluster Manager 2")

    reason: ShortText = Field(description="For those who come back for it")


class VersionView(BaseModel):
    """A version of a programme."""

    programme_id: str = Field(description="prg_…")
    version: int = Field(description="Number of the version, from 1")
    slug: str = Field(description="Name in addresses")
    state: VersionState = Field(description="draft, in_review, validated or published")
    revision: int = Field(description="Counts every change; the ETag to send as If-Match")
    content_hash: str = Field(description="SHA-256 (hex) of the canonical content")
    title: dict[str, str] = Field(description="Title by language")
    summary: dict[str, str] = Field(description="One paragraph by language")
    profile_id: str = Field(description="prf_…")
    language: str = Field(description="Language of teaching")
    eqf_level: int = Field(description="Level of the European Qualifications Framework")
    points: int = Field(description="ECVET points")
    units: list[Unit] = Field(description="The units with their learning outcomes")
    validation: Validation | None = Field(description="The review that approved it")
    created_at: datetime = Field(description="UTC")
    updated_at: datetime = Field(description="UTC")
    published_at: datetime | None = Field(description="UTC, null before publication")


class VersionSummary(BaseModel):
    """A version in a list."""

    version: int = Field(description="Number of the version")
    state: VersionState = Field(description="draft, in_review, validated or published")
    content_hash: str = Field(description="SHA-256 (hex) of the canonical content")
    updated_at: datetime = Field(description="UTC")
    published_at: datetime | None = Field(description="UTC, null before publication")


class ProgrammeView(Programme):
    """A programme with its versions."""

    versions: list[VersionSummary] = Field(description="Every version, oldest first")


def version_view(version: Version) -> VersionView:
    """A version as the API shows it."""
    content: Content = version.content
    return VersionView(
        **version.model_dump(exclude={"content", "created_by", "validation"}),
        **content.model_dump(exclude={"units"}),
        units=content.units,
        validation=version.validation,
    )
