"""What the public catalogue answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from curriculum.catalogue.domain import Addresses, Change, ChangeKind, ChangeWord, Course
from curriculum.offerings.domain import Session
from curriculum.profiles.domain import Area
from curriculum.profiles.schemas import Skill
from curriculum.programmes.domain import Unit, Validation


class CourseOffering(BaseModel):
    """A dated run of a course."""

    offering_id: str = Field(description="off_…")
    version: int = Field(description="The version that is taught")
    code: str = Field(description="Short code within the course")
    title: dict[str, str] = Field(description="Title by language")
    starts_on: date = Field(description="First day")
    ends_on: date = Field(description="Last day")
    seats: int = Field(description="Seats")
    application_deadline: datetime = Field(description="Last moment for applications, UTC")
    language: str = Field(description="Language of teaching")
    sessions: list[Session] = Field(description="Its sessions, in order of time")
    url: str = Field(description="Where this offering is read alone")
    updated_at: datetime = Field(description="UTC")


class CourseSummary(BaseModel):
    """A course in the list."""

    slug: str = Field(description="Name in addresses")
    programme_id: str = Field(description="prg_…")
    version: int = Field(description="The published version")
    title: dict[str, str] = Field(description="Title by language")
    summary: dict[str, str] = Field(description="One paragraph by language")
    language: str = Field(description="Language of teaching")
    eqf_level: int = Field(description="Level of the European Qualifications Framework")
    points: int = Field(description="ECVET points")
    url: str = Field(description="Its page; answers HTML, JSON-LD or JSON by Accept")
    offerings: list[CourseOffering] = Field(description="Its dated runs, in order of their first days")
    updated_at: datetime = Field(description="UTC")


class CourseProfile(BaseModel):
    """The occupation that a course trains for."""

    profile_id: str = Field(description="prf_…")
    title: dict[str, str] = Field(description="Title by language")
    areas: list[Area] = Field(description="Areas of competence")


class CourseView(CourseSummary):
    """A course with everything that is public about it."""

    content_hash: str = Field(description="SHA-256 (hex) of the content that reviewers voted on")
    published_at: datetime = Field(description="When this version was published, UTC")
    profile: CourseProfile = Field(description="The occupation")
    units: list[Unit] = Field(description="Units with their learning outcomes")
    skills: list[Skill] = Field(description="The ESCO skills that the outcomes refer to")
    validation: Validation = Field(description="The review that approved this version")


class ChangeView(BaseModel):
    """A change of the catalogue."""

    sequence: int = Field(description="Its number; there are no gaps")
    kind: ChangeKind = Field(description="course or offering")
    id: str = Field(description="prg_… or off_…")
    slug: str = Field(description="The course that it belongs to")
    change: ChangeWord = Field(description="upserted, or deleted: then this is a tombstone, kept for ever")
    changed_at: datetime = Field(description="UTC")
    url: str = Field(description="Where its present state is read")


class Changes(BaseModel):
    """A part of the change feed."""

    changes: list[ChangeView] = Field(description="In the order of their numbers")
    last_sequence: int = Field(description="Send it as `after` the next time")
    more: bool = Field(description="Whether there are more changes right now")


def course_summary(course: Course, addresses: Addresses) -> CourseSummary:
    """A course as the list shows it."""
    return CourseSummary(**_common(course, addresses))


def course_view(course: Course, addresses: Addresses) -> CourseView:
    """A course as its own record shows it."""
    return CourseView(
        **_common(course, addresses),
        content_hash=course.content_hash,
        published_at=course.published_at,
        profile=CourseProfile(**course.profile.model_dump()),
        units=course.units,
        skills=[Skill(uri=uri, label=label) for uri, label in course.skills.items()],
        validation=course.validation,
    )


def change_view(change: Change, addresses: Addresses) -> ChangeView:
    """A change as the feed shows it."""
    url = addresses.course(change.slug) if change.kind is ChangeKind.COURSE else addresses.offering(change.id)
    return ChangeView(**change.model_dump(), url=url)


def _common(course: Course, addresses: Addresses) -> dict[str, Any]:
    offerings = [
        CourseOffering(**offering.model_dump(), url=addresses.offering(offering.offering_id))
        for offering in course.offerings
    ]
    names = ("slug", "programme_id", "version", "title", "summary", "language", "eqf_level", "points", "updated_at")
    common = {name: getattr(course, name) for name in names}
    return {**common, "url": addresses.course(course.slug), "offerings": offerings}
