"""Plans: how a unit of a published programme version is assessed, by which rubric, and whose duties these are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from cme_kit.problems import FieldError, Unprocessable
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema


def _calendar_day(value: object) -> object:
    # Pydantic alone would read 0 or a full timestamp as a day.
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("write a day as YYYY-MM-DD")


#: A calendar day; kept and sent as YYYY-MM-DD, because BSON has moments only.
Day = Annotated[
    date,
    BeforeValidator(_calendar_day),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]


class Record(BaseModel):
    """A stored fact: frozen, and tolerant of fields that a newer release added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Outcome(Record):
    """A learning outcome of a unit, as published."""

    outcome_id: str
    code: str
    kind: str
    statement: dict[str, str]
    required: bool


class RubricLevel(Record):
    """One level of a rubric."""

    level: int
    label: str
    achieved: bool


class Plan(Record):
    """How one unit of one programme version is assessed.

    The institutions are unknown until a coordinator names them.
    """

    plan_id: str
    programme_id: str
    version: int
    unit_id: str
    unit_code: str
    module: int
    title: dict[str, str]
    points: int
    outcomes: list[Outcome]
    method: dict[str, str]
    rubric: list[RubricLevel]
    due_on: Day | None = None
    assessing_institution_id: str | None = None
    validating_institution_id: str | None = None
    recognising_institution_id: str | None = None
    revision: int = 1

    @property
    def institutions(self) -> set[str]:
        """Every institution with a duty in this plan."""
        duties = (self.assessing_institution_id, self.validating_institution_id, self.recognising_institution_id)
        return {institution for institution in duties if institution is not None}


class Programme(Record):
    """A published programme version: what a transcript pins."""

    programme_id: str
    version: int
    title: dict[str, str]
    content_hash: str
    points: int
    unit_ids: list[str]


#: Applies until a coordinator writes another one: achieved from level 2.
DEFAULT_RUBRIC = (
    RubricLevel(level=0, label="Not shown", achieved=False),
    RubricLevel(level=1, label="Partly shown", achieved=False),
    RubricLevel(level=2, label="Achieved", achieved=True),
    RubricLevel(level=3, label="Achieved well", achieved=True),
    RubricLevel(level=4, label="Achieved with excellence", achieved=True),
)


class UnsoundRubric(Unprocessable):
    """A rubric by which nobody could mark fairly."""

    code = "unsound_rubric"


class DutiesNotSeparated(Unprocessable):
    """One institution would recognise what it assessed itself (ECVET Recommendation 2009, annex II)."""

    code = "duties_not_separated"


def check_rubric(rubric: Sequence[RubricLevel]) -> None:
    """Raise UnsoundRubric unless levels rise, and "achieved" begins at one of them and holds above it."""
    levels = [step.level for step in rubric]
    if levels != sorted(set(levels)):
        raise UnsoundRubric("List each level once, from the lowest to the highest.")
    reached = [step.achieved for step in rubric]
    if reached != sorted(reached) or len(set(reached)) == 1:
        raise UnsoundRubric("Begin with levels that do not achieve the outcome, end with levels that do.")


def check_duties(assessing: str, recognising: str) -> None:
    """Raise DutiesNotSeparated when one institution would assess and recognise."""
    if assessing == recognising:
        field = FieldError(
            field="body.recognising_institution_id",
            code="same_institution",
            detail="name another institution than the assessing one",
        )
        raise DutiesNotSeparated("Assessment and recognition are duties of different institutions.", errors=[field])
