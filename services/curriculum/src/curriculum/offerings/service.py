"""Use cases of offerings."""

from __future__ import annotations

from datetime import datetime

from cme_contracts.curriculum import OfferingCancelled, OfferingPublished
from cme_kit.clock import Clock
from cme_kit.http import stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from curriculum.catalogue.service import Catalogue
from curriculum.offerings.domain import Offering, OfferingState, offering_faults
from curriculum.offerings.repository import CodeTakenError, OfferingRepository
from curriculum.offerings.schemas import NewOffering
from curriculum.programmes.domain import VersionState
from curriculum.programmes.repository import VersionRepository


class UnfitOffering(Unprocessable):
    """The offering breaks a rule."""

    code = "unfit_offering"


class NotPublished(Conflict):
    """Only a published version can be offered."""

    code = "version_not_published"


class CodeTaken(Conflict):
    """Another offering of the programme has this code."""

    code = "code_taken"


class ProgrammeFixed(Conflict):
    """An offering stays with its programme."""

    code = "programme_fixed"


class OfferingIsCancelled(Conflict):
    """A cancelled offering does not change any more."""

    code = "offering_cancelled"


class Offerings:
    """Dated runs of programmes."""

    def __init__(
        self, offerings: OfferingRepository, versions: VersionRepository, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._offerings = offerings
        self._versions = versions
        self._catalogue = catalogue
        self._clock = clock

    async def publish(self, tx: Transaction, new: NewOffering) -> Offering:
        """Publish an offering in the catalogue. Raises NotPublished, UnfitOffering and CodeTaken."""
        now = self._clock.now()
        offering = _offering(new, new_id("off"), 1, created_at=now, updated_at=now)
        await self._check(tx, offering)
        try:
            await self._offerings.add(offering, tx.session)
        except CodeTakenError as error:
            raise _code_taken(offering) from error
        await self._announce(tx, offering)
        return offering

    async def change(self, tx: Transaction, offering_id: str, new: NewOffering, seen: int) -> Offering:
        """Replace what an offering says.

        Raises NotFound, OfferingIsCancelled, PreconditionFailed, ProgrammeFixed, NotPublished, UnfitOffering, CodeTaken.
        """
        former = await self._published(tx, offering_id)
        if former.revision != seen:
            raise stale()
        if new.programme_id != former.programme_id:
            raise ProgrammeFixed("An offering stays with its programme; cancel it and publish another one.")
        offering = _offering(new, offering_id, seen + 1, created_at=former.created_at, updated_at=self._clock.now())
        await self._check(tx, offering)
        await self._replace(tx, offering)
        await self._announce(tx, offering)
        return offering

    async def cancel(self, tx: Transaction, offering_id: str, reason: str) -> Offering:
        """Cancel an offering: it leaves the catalogue. Raises NotFound and OfferingIsCancelled."""
        former = await self._published(tx, offering_id)
        offering = former.cancelled(reason, self._clock.now())
        await self._replace(tx, offering)
        await self._catalogue.remove_offering(tx, offering)
        cancelled = OfferingCancelled(offering_id=offering_id, programme_id=offering.programme_id, reason=reason)
        await tx.emit(offering_id, cancelled)
        return offering

    async def get(self, offering_id: str) -> Offering:
        """One offering. Raises NotFound."""
        offering = await self._offerings.find(offering_id)
        if offering is None:
            raise NotFound("offering")
        return offering

    async def page(self, after: str | None, limit: int, programme_id: str | None) -> list[Offering]:
        """Offerings after a cursor, oldest first, of one programme or of all."""
        return await self._offerings.page(after, limit, programme_id)

    async def _published(self, tx: Transaction, offering_id: str) -> Offering:
        offering = await self._offerings.find(offering_id, tx.session)
        if offering is None:
            raise NotFound("offering")
        if offering.state is OfferingState.CANCELLED:
            raise OfferingIsCancelled("This offering was cancelled; publish another one.")
        return offering

    async def _check(self, tx: Transaction, offering: Offering) -> None:
        version = await self._versions.find(offering.programme_id, offering.version, tx.session)
        if version is None or version.state is not VersionState.PUBLISHED:
            raise NotPublished("There is no published version of this number; publish the version first.")
        if faults := offering_faults(offering, version.unit_codes()):
            raise UnfitOffering("The offering was not saved; errors lists each field to change.", errors=faults)

    async def _replace(self, tx: Transaction, offering: Offering) -> None:
        try:
            if not await self._offerings.replace(offering, tx.session):
                raise stale()
        except CodeTakenError as error:
            raise _code_taken(offering) from error

    async def _announce(self, tx: Transaction, offering: Offering) -> None:
        await self._catalogue.put_offering(tx, offering)
        published = OfferingPublished(
            offering_id=offering.offering_id,
            programme_id=offering.programme_id,
            programme_version=offering.version,
            title=offering.title,
            starts_on=offering.starts_on,
            ends_on=offering.ends_on,
        )
        await tx.emit(offering.offering_id, published)


def _offering(
    new: NewOffering, offering_id: str, revision: int, *, created_at: datetime, updated_at: datetime
) -> Offering:
    written = new.model_dump()
    written["sessions"].sort(key=lambda session: session["starts_at"])
    return Offering(
        offering_id=offering_id,
        revision=revision,
        state=OfferingState.PUBLISHED,
        created_at=created_at,
        updated_at=updated_at,
        **written,
    )


def _code_taken(offering: Offering) -> CodeTaken:
    return CodeTaken(f"Another offering of this programme has the code {offering.code}; choose another one.")
