"""HTTP of organisations."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.organisations.schemas import NewOrganisation, OrganisationKind, OrganisationView
from enrolment.organisations.service import OrganisationExists, Organisations

router = service_router("organisations", "/enrolment/v1/organisations")
Service = Annotated[Organisations, Provided(Organisations)]
MayRead = Requires("enrolment.organisations:read", "enrolment.organisations:write", "enrolment.applications:read")


@router.post("", status_code=201, responses=refusals(OrganisationExists))
async def register_organisation(
    new: NewOrganisation,
    service: Service,
    once: Once,
    _: Annotated[Principal, Requires("enrolment.organisations:write")],
) -> OrganisationView:
    """Register a partner of the programme or a cluster organisation."""
    return await once(OrganisationView, lambda tx: service.register(tx, new))


@router.get("")
async def list_organisations(
    request: Request,
    response: Response,
    service: Service,
    paging: Paged,
    _: Annotated[Principal, MayRead],
    kind: OrganisationKind | None = None,
) -> Page[OrganisationView]:
    """Registered organisations, oldest first; `kind` keeps partners or clusters."""
    found = await service.page(kind, paging)
    return page_of(request, response, found, paging, lambda organisation: organisation.organisation_id)


@router.get("/{organisation_id}")
async def read_organisation(
    organisation_id: str, service: Service, _: Annotated[Principal, MayRead]
) -> OrganisationView:
    """One organisation."""
    return await service.get(organisation_id)
