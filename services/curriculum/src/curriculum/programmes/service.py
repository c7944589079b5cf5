"""Use cases of programmes: draft, next version, publication."""

from __future__ import annotations

from cme_contracts.curriculum import ProgrammePublished, PublishedUnit
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from curriculum.catalogue.service import Catalogue
from curriculum.profiles.domain import Profile, Skills
from curriculum.profiles.repository import ProfileRepository
from curriculum.programmes.domain import (
    Content,
    Outcome,
    Programme,
    Unit,
    Version,
    VersionState,
    content_faults,
    content_hash,
    renewed,
)
from curriculum.programmes.repository import ProgrammeRepository, SlugTakenError, VersionRepository
from curriculum.programmes.schemas import ProgrammeDraft, ProgrammeView, UnitDraft, VersionSummary


class UnfitProgramme(Unprocessable):
    """The programme breaks a rule of the field."""

    code = "unfit_programme"


class SlugTaken(Conflict):
    """Another programme has this slug."""

    code = "slug_taken"


class SlugFixed(Conflict):
    """The slug of a programme never changes."""

    code = "slug_fixed"


class NotEditable(Conflict):
    """Only a draft can be edited."""

    code = "not_a_draft"


class DraftExists(Conflict):
    """The latest version is not published yet."""

    code = "draft_exists"


class NotValidated(Conflict):
    """No review has approved exactly this content."""

    code = "not_validated"


class AlreadyPublished(Conflict):
    """A published version never changes again."""

    code = "already_published"


class NotInCatalogue(Conflict):
    """The catalogue does not show this course."""

    code = "not_in_catalogue"


class Programmes:
    """Programmes and their versions."""

    def __init__(
        self,
        programmes: ProgrammeRepository,
        versions: VersionRepository,
        profiles: ProfileRepository,
        catalogue: Catalogue,
        skills: Skills,
        clock: Clock,
    ) -> None:
        self._programmes = programmes
        self._versions = versions
        self._profiles = profiles
        self._catalogue = catalogue
        self._skills = skills
        self._clock = clock

    async def create(self, tx: Transaction, draft: ProgrammeDraft, author: Principal) -> Version:
        """Store a programme with version 1 as a draft. Raises UnfitProgramme and SlugTaken."""
        content = await self._content(tx, draft, former=None)
        now = self._clock.now()
        programme = Programme(programme_id=new_id("prg"), slug=draft.slug, latest_version=1, created_at=now)
        try:
            await self._programmes.add(programme, tx.session)
        except SlugTakenError as error:
            raise SlugTaken(f"Another programme has the slug {draft.slug}; choose another one.") from error
        return await self._add_draft(tx, programme, 1, content, author)

    async def edit(self, tx: Transaction, programme_id: str, number: int, draft: ProgrammeDraft, seen: int) -> Version:
        """Replace the content of a draft; units and outcomes keep their ids by their codes.

        Raises NotFound, NotEditable, PreconditionFailed, SlugFixed and UnfitProgramme.
        """
        version = await self._get(tx, programme_id, number)
        if version.state is not VersionState.DRAFT:
            raise NotEditable(f"This version is {version.state.value}; only a draft can be edited.")
        if version.revision != seen:
            raise stale()
        if draft.slug != version.slug:
            raise SlugFixed(f"The slug of this programme stays {version.slug}: addresses rely on it.")
        content = await self._content(tx, draft, former=version.content)
        return await self._replace(tx, version, content=content, content_hash=content_hash(content))

    async def draft_next(self, tx: Transaction, programme_id: str, author: Principal) -> Version:
        """Make the next draft, a copy of the latest version under new ids. Raises NotFound and DraftExists."""
        programme = await self._programmes.find(programme_id, tx.session)
        if programme is None:
            raise NotFound("programme")
        latest = await self._get(tx, programme_id, programme.latest_version)
        if latest.state is not VersionState.PUBLISHED:
            raise DraftExists(f"Version {latest.version} is {latest.state.value}; publish it first, or edit it.")
        number = latest.version + 1
        await self._programmes.set_latest(programme_id, number, tx.session)
        return await self._add_draft(tx, programme, number, renewed(latest.content, new_id), author)

    async def publish(self, tx: Transaction, programme_id: str, number: int) -> Version:
        """Publish a version that a review approved with exactly this content, and show it in the catalogue.

        Raises NotFound, AlreadyPublished and NotValidated.
        """
        version = await self._get(tx, programme_id, number)
        if version.state is VersionState.PUBLISHED:
            raise AlreadyPublished("This version is published. Draft the next version to change the programme.")
        validation = version.validation
        if (
            version.state is not VersionState.VALIDATED
            or validation is None
            or validation.content_hash != content_hash(version.content)
        ):
            raise NotValidated("No review has approved exactly this content. Open a review round and let it decide.")
        profile = await self._profile(tx, version.content.profile_id)
        published = await self._replace(tx, version, state=VersionState.PUBLISHED, published_at=self._clock.now())
        await self._programmes.set_published(programme_id, number, tx.session)
        await self._catalogue.show(tx, published, profile)
        await tx.emit(programme_id, _published_event(published))
        return published

    async def withdraw(self, tx: Transaction, programme_id: str, reason: str) -> Programme:
        """Take a course out of the catalogue; its learners finish it. Raises NotFound and NotInCatalogue."""
        programme = await self._programmes.find(programme_id, tx.session)
        if programme is None:
            raise NotFound("programme")
        if programme.published_version is None:
            raise NotInCatalogue("The catalogue does not show this programme; there is nothing to withdraw.")
        await self._programmes.set_published(programme_id, None, tx.session)
        await self._catalogue.withdraw(tx, programme_id, reason)
        return programme.model_copy(update={"published_version": None})

    async def version(self, programme_id: str, number: int) -> Version:
        """One version, whatever its state. Raises NotFound."""
        version = await self._versions.find(programme_id, number)
        if version is None:
            raise NotFound("version of a programme")
        return version

    async def published_version(self, slug: str, number: int) -> Version:
        """A published version by the course's slug: it stays for the learners who follow it. Raises NotFound."""
        programme = await self._programmes.find_by_slug(slug)
        version = await self._versions.find(programme.programme_id, number) if programme else None
        if version is None or version.state is not VersionState.PUBLISHED:
            raise NotFound("published version of a course")
        return version

    async def programme(self, programme_id: str) -> ProgrammeView:
        """A programme and its versions. Raises NotFound."""
        programme = await self._programmes.find(programme_id)
        if programme is None:
            raise NotFound("programme")
        versions = [
            VersionSummary(**version.model_dump()) for version in await self._versions.of_programme(programme_id)
        ]
        return ProgrammeView(**programme.model_dump(), versions=versions)

    async def page(self, after: str | None, limit: int) -> list[Programme]:
        """Programmes after a cursor, oldest first."""
        return await self._programmes.page(after, limit)

    async def _get(self, tx: Transaction, programme_id: str, number: int) -> Version:
        version = await self._versions.find(programme_id, number, tx.session)
        if version is None:
            raise NotFound("version of a programme")
        return version

    async def _profile(self, tx: Transaction, profile_id: str) -> Profile:
        profile = await self._profiles.find(profile_id, tx.session)
        if profile is None:
            raise UnfitProgramme(f"There is no occupational profile {profile_id}.")
        return profile

    async def _content(self, tx: Transaction, draft: ProgrammeDraft, former: Content | None) -> Content:
        profile = await self._profile(tx, draft.profile_id)
        known = {unit.code: unit for unit in former.units} if former else {}
        content = Content(
            **draft.model_dump(exclude={"slug", "units"}),
            units=[_unit(unit, known.get(unit.code)) for unit in draft.units],
        )
        if faults := content_faults(content, {area.code for area in profile.areas}, self._skills):
            raise UnfitProgramme("The programme was not saved; errors lists each field to change.", errors=faults)
        return content

    async def _add_draft(
        self, tx: Transaction, programme: Programme, number: int, content: Content, author: Principal
    ) -> Version:
        now = self._clock.now()
        version = Version(
            programme_id=programme.programme_id,
            version=number,
            slug=programme.slug,
            state=VersionState.DRAFT,
            revision=1,
            content=content,
            content_hash=content_hash(content),
            created_by=author.subject,
            created_at=now,
            updated_at=now,
        )
        await self._versions.add(version, tx.session)
        return version

    async def _replace(self, tx: Transaction, version: Version, **changes: object) -> Version:
        following = version.model_copy(
            update={**changes, "revision": version.revision + 1, "updated_at": self._clock.now()}
        )
        if not await self._versions.replace(following, tx.session):
            raise stale()
        return following


def _unit(draft: UnitDraft, former: Unit | None) -> Unit:
    known = {outcome.code: outcome.outcome_id for outcome in former.outcomes} if former else {}
    outcomes = [
        Outcome(outcome_id=known.get(outcome.code) or new_id("out"), **outcome.model_dump())
        for outcome in draft.outcomes
    ]
    return Unit(
        unit_id=former.unit_id if former else new_id("unt"), **draft.model_dump(exclude={"outcomes"}), outcomes=outcomes
    )


def _published_event(version: Version) -> ProgrammePublished:
    assert version.published_at is not None  # set by publish
    content = version.content
    return ProgrammePublished(
        programme_id=version.programme_id,
        version=version.version,
        slug=version.slug,
        title=content.title,
        summary=content.summary,
        eqf_level=content.eqf_level,
        points=content.points,
        content_hash=version.content_hash,
        published_at=version.published_at,
        units=[PublishedUnit.model_validate(unit.model_dump(mode="json")) for unit in content.units],
    )
