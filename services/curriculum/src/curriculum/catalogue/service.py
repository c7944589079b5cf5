"""Use cases of the public catalogue: showing, changing and withdrawing courses; reading them and their changes."""

from __future__ import annotations

from cme_kit.clock import Clock
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, ServiceError, Unprocessable

from curriculum.catalogue.domain import (
    Change,
    ChangeKind,
    ChangeWord,
    Course,
    course_of,
    with_offering,
    without_offering,
)
from curriculum.catalogue.repository import ChangeRepository, CourseRepository, Head
from curriculum.offerings.domain import Offering
from curriculum.profiles.domain import Profile, Skills
from curriculum.programmes.domain import Version


class CourseWithdrawn(ServiceError):
    """The course left the catalogue (RFC 9110 section 15.5.11)."""

    code, status = "course_withdrawn", 410


class NotListed(Conflict):
    """A course outside the catalogue takes no offerings."""

    code = "not_in_catalogue"


class UnknownSequence(Unprocessable):
    """The feed never had this number."""

    code = "unknown_sequence"


class Catalogue:
    """The public catalogue. Its writing methods are called by those who publish, in their transactions."""

    def __init__(self, courses: CourseRepository, changes: ChangeRepository, skills: Skills, clock: Clock) -> None:
        self._courses = courses
        self._changes = changes
        self._skills = skills
        self._clock = clock

    async def show(self, tx: Transaction, version: Version, profile: Profile) -> None:
        """Show a just published version. Offerings come back with a course that had been withdrawn."""
        former = await self._courses.of_programme(version.programme_id, tx.session)
        course = course_of(version, profile, former, self._skills)
        await self._courses.save(course, tx.session)
        await self._course_changed(tx, course, ChangeWord.UPSERTED)
        if former and not former.listed:
            for offering in course.offerings:
                await self._offering_changed(tx, course, offering, ChangeWord.UPSERTED)

    async def withdraw(self, tx: Transaction, programme_id: str, reason: str) -> None:
        """Take a course and its offerings out, leaving tombstones. Raises NotListed."""
        course = await self._listed(tx, programme_id)
        now = self._clock.now()
        gone = course.model_copy(update={"listed": False, "withdrawal_reason": reason, "updated_at": now})
        await self._courses.save(gone, tx.session)
        for offering in course.offerings:
            await self._offering_changed(tx, course, offering, ChangeWord.DELETED)
        await self._course_changed(tx, course, ChangeWord.DELETED)

    async def put_offering(self, tx: Transaction, offering: Offering) -> None:
        """Show a new or changed offering with its course. Raises NotListed."""
        course = await self._listed(tx, offering.programme_id)
        await self._courses.save(with_offering(course, offering), tx.session)
        await self._offering_changed(tx, course, offering, ChangeWord.UPSERTED)
        await self._course_changed(tx, course, ChangeWord.UPSERTED)

    async def remove_offering(self, tx: Transaction, offering: Offering) -> None:
        """Take a cancelled offering out; of a withdrawn course its tombstone is there already."""
        course = await self._courses.of_programme(offering.programme_id, tx.session)
        assert course is not None  # an offering has a published version, hence a course
        await self._courses.save(without_offering(course, offering), tx.session)
        if course.listed:
            await self._offering_changed(tx, course, offering, ChangeWord.DELETED)
            await self._course_changed(tx, course, ChangeWord.UPSERTED)

    async def course(self, slug: str) -> Course:
        """A course of the catalogue. Raises NotFound, or CourseWithdrawn with the reason."""
        course = await self._courses.find(slug)
        if course is None:
            raise NotFound("course")
        if not course.listed:
            raise CourseWithdrawn(f"This course is no longer offered: {course.withdrawal_reason}")
        return course

    async def page(self, after: str | None, limit: int, language: str | None) -> list[Course]:
        """Courses after a slug, in the order of their slugs."""
        return await self._courses.page(after, limit, language)

    async def all(self) -> list[Course]:
        """Every course of the catalogue, for the page that filters them."""
        return await self._courses.page(None, 0)

    async def changes(self, after: int, limit: int) -> list[Change]:
        """Changes after a number. Raises UnknownSequence for a number that is still to come."""
        found = await self._changes.after(after, limit)
        if not found and after > (head := await self._changes.head()).sequence:
            raise UnknownSequence(f"The last change has the number {head.sequence}; read again from 0.")
        return found

    async def head(self) -> Head:
        """The end of the change feed."""
        return await self._changes.head()

    async def _listed(self, tx: Transaction, programme_id: str) -> Course:
        course = await self._courses.of_programme(programme_id, tx.session)
        if course is None or not course.listed:
            raise NotListed("The catalogue does not show this course; publish a version of it first.")
        return course

    async def _course_changed(self, tx: Transaction, course: Course, word: ChangeWord) -> None:
        now = self._clock.now()
        await self._changes.append(ChangeKind.COURSE, course.programme_id, course.slug, word, now, tx.session)

    async def _offering_changed(self, tx: Transaction, course: Course, offering: Offering, word: ChangeWord) -> None:
        now = self._clock.now()
        await self._changes.append(ChangeKind.OFFERING, offering.offering_id, course.slug, word, now, tx.session)
