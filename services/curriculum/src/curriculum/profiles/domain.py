"""The occupational profile: what a cluster manager does, in areas of competence mapped to ESCO skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cme_kit.problems import FieldError
from pydantic import BaseModel, ConfigDict, Field

#: ESCO skills by URI, with their preferred English labels.
Skills = Mapping[str, str]


class Area(BaseModel):
    """An area of competence."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="Short code within the profile, such as governance")
    title: dict[str, str] = Field(description="Title by language")
    skills: list[str] = Field(description="URIs of the ESCO skills that belong to it")


class Profile(BaseModel):
    """An occupational profile. It never changes, so that programmes can rely on its areas."""

    model_config = ConfigDict(frozen=True)

    profile_id: str = Field(description="prf_…")
    title: dict[str, str] = Field(description="Title by language")
    description: dict[str, str] = Field(description="Description by language")
    areas: list[Area] = Field(description="Areas of competence, in order")
    created_at: datetime = Field(description="UTC")


def repeated(values: Sequence[str]) -> set[str]:
    """The values that stand in a list more than once."""
    return {value for value in values if values.count(value) > 1}


def unknown_skills(uris: Sequence[str], skills: Skills, place: str) -> list[FieldError]:
    """One error for each URI that is no ESCO skill we know; `place` is the list's own place in the body."""
    return [
        FieldError(field=f"{place}.{index}", code="unknown_skill", detail=f"{uri} is no ESCO skill of GET /skills.")
        for index, uri in enumerate(uris)
        if uri not in skills
    ]


def area_faults(areas: Sequence[Area], skills: Skills) -> list[FieldError]:
    """What is wrong with the areas of a new profile."""
    twice = repeated([area.code for area in areas])
    faults = [
        FieldError(field=f"body.areas.{index}.code", code="repeated", detail=f"{area.code} stands here twice.")
        for index, area in enumerate(areas)
        if area.code in twice
    ]
    for index, area in enumerate(areas):
        faults += unknown_skills(area.skills, skills, f"body.areas.{index}.skills")
    return faults
