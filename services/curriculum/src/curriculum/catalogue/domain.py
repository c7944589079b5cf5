"""The public catalogue: one record per course, and a feed that numbers every change without gaps."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from curriculum.offerings.domain import Offering
from curriculum.profiles.domain import Profile, Skills
from curriculum.programmes.domain import Unit, Validation, Version


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Course(_Frozen):
    """A course as the catalogue keeps it: the published version, its profile, its offerings.

    Everything that changes a course writes this one document, so no two changes miss each other.
    """

    programme_id: str
    slug: str
    listed: bool
    version: int
    content_hash: str
    title: dict[str, str]
    summary: dict[str, str]
    language: str
    eqf_level: int
    points: int
    profile: Profile
    units: list[Unit]
    validation: Validation
    skills: dict[str, str]
    published_at: datetime
    updated_at: datetime
    withdrawal_reason: str | None = None
    offerings: list[Offering] = Field(default_factory=list)


class ChangeKind(StrEnum):
    """What changed."""

    COURSE = "course"
    OFFERING = "offering"


class ChangeWord(StrEnum):
    """How it changed."""

    UPSERTED = "upserted"
    DELETED = "deleted"


class Change(_Frozen):
    """One numbered change of the catalogue; a deletion stays for ever as a tombstone."""

    sequence: int
    kind: ChangeKind
    id: str
    slug: str
    change: ChangeWord
    changed_at: datetime


def course_of(version: Version, profile: Profile, former: Course | None, skills: Skills) -> Course:
    """The record of a just published version; the offerings of earlier versions stay."""
    assert version.published_at is not None  # it is published
    assert version.validation is not None  # nothing is published without
    content = version.content
    used = {uri for unit in content.units for outcome in unit.outcomes for uri in outcome.esco_uris}
    return Course(
        programme_id=version.programme_id,
        slug=version.slug,
        listed=True,
        version=version.version,
        content_hash=version.content_hash,
        title=content.title,
        summary=content.summary,
        language=content.language,
        eqf_level=content.eqf_level,
        points=content.points,
        profile=profile,
        units=content.units,
        validation=version.validation,
        skills={uri: label for uri, label in skills.items() if uri in used},
        published_at=version.published_at,
        updated_at=version.published_at,
        offerings=former.offerings if former else [],
    )


def with_offering(course: Course, offering: Offering) -> Course:
    """The record with an offering, which replaces its earlier form; in order of their first days."""
    others = [known for known in course.offerings if known.offering_id != offering.offering_id]
    ordered = sorted([*others, offering], key=lambda known: (known.starts_on, known.offering_id))
    return course.model_copy(update={"offerings": ordered, "updated_at": offering.updated_at})


def without_offering(course: Course, offering: Offering) -> Course:
    """The record without an offering."""
    others = [known for known in course.offerings if known.offering_id != offering.offering_id]
    return course.model_copy(update={"offerings": others, "updated_at": offering.updated_at})


class Addresses:
    """The public addresses of courses and offerings."""

    def __init__(self, public_url: str) -> None:
        self.home = public_url.rstrip("/")

    def course(self, slug: str) -> str:
        """The page of a course."""
        return f"{self.home}/courses/{slug}"

    def offering(self, offering_id: str) -> str:
        """An offering alone."""
        return f"{self.home}/curriculum/v1/offerings/{offering_id}"
