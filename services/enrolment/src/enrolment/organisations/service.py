"""Register organisations."""

from cme_contracts.enrolment import OrganisationRegistered
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from enrolment.organisations.repository import OrganisationRepository
from enrolment.organisations.schemas import NewOrganisation, OrganisationKind, OrganisationView


class OrganisationExists(Conflict):
    """The country has an organisation of this name."""

    code = "organisation_exists"


class UnknownOrganisation(Unprocessable):
    """A request names an organisation that is not registered."""

    code = "unknown_organisation"


class Organisations:
    """The partners and cluster organisations that take part."""

    def __init__(self, organisations: OrganisationRepository, clock: Clock) -> None:
        self._organisations = organisations
        self._clock = clock

    async def register(self, tx: Transaction, new: NewOrganisation) -> OrganisationView:
        """Register an organisation. Raises OrganisationExists."""
        organisation = OrganisationView(
            organisation_id=new_id("org"), registered_at=self._clock.now(), **new.model_dump()
        )
        if not await self._organisations.add(organisation, tx.session):
            raise OrganisationExists(f"{new.name} is registered in {new.country} already; use that record.")
        await tx.emit(
            organisation.organisation_id,
            OrganisationRegistered(
                organisation_id=organisation.organisation_id,
                name=organisation.name,
                country=organisation.country,
                kind=organisation.kind.value,
            ),
        )
        return organisation

    async def get(self, organisation_id: str) -> OrganisationView:
        """One organisation. Raises NotFound."""
        if (found := await self._organisations.find(organisation_id)) is None:
            raise NotFound("organisation")
        return found

    async def page(self, kind: OrganisationKind | None, paging: Paging) -> list[OrganisationView]:
        """A page of organisations and one more, when there is one."""
        return await self._organisations.page(kind, paging.after, paging.limit + 1)

    async def require(self, tx: Transaction, *organisation_ids: str) -> None:
        """Raise UnknownOrganisation unless all of these are registered."""
        unknown = set(organisation_ids) - await self._organisations.known(set(organisation_ids), tx.session)
        if unknown:
            raise UnknownOrganisation(f"Not registered: {', '.join(sorted(unknown))}. Register it first.")
