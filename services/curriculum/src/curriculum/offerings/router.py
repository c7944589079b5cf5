"""HTTP of offerings."""

from typing import Annotated

from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, PreconditionFailed, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from curriculum.catalogue.service import NotListed
from curriculum.offerings.domain import Offering
from curriculum.offerings.schemas import Cancellation, NewOffering
from curriculum.offerings.service import (
    CodeTaken,
    NotPublished,
    OfferingIsCancelled,
    Offerings,
    ProgrammeFixed,
    UnfitOffering,
)

router = service_router("offerings", "/curriculum/v1")
Service = Annotated[Offerings, Provided(Offerings)]
Planner = Annotated[Principal, Requires("curriculum.offerings:write")]


@router.post("/offerings", status_code=201, responses=refusals(NotListed, CodeTaken, NotPublished, UnfitOffering))
async def publish_offering(body: NewOffering, once: Once, etag: Tagged, service: Service, _: Planner) -> Offering:
    """Publish a dated run of a published programme version; the catalogue shows it at once."""
    offering = await once(Offering, lambda tx: service.publish(tx, body))
    etag.set(offering.revision)
    return offering


@router.get("/offerings")
async def list_offerings(
    request: Request,
    response: Response,
    paging: Paged,
    service: Service,
    _: Annotated[None, Public()],
    programme_id: Annotated[str | None, Query(max_length=60, description="Only offerings of this programme")] = None,
) -> Page[Offering]:
    """Every offering, cancelled ones included, oldest first."""
    found = await service.page(paging.after, paging.limit + 1, programme_id)
    return page_of(request, response, found, paging, lambda offering: offering.offering_id)


@router.get("/offerings/{offering_id}")
async def get_offering(offering_id: str, etag: Tagged, service: Service, _: Annotated[None, Public()]) -> Offering:
    """One offering; a cancelled one says why."""
    offering = await service.get(offering_id)
    etag.set(offering.revision)
    return offering


@router.put(
    "/offerings/{offering_id}",
    responses=refusals(NotListed, CodeTaken, NotPublished, OfferingIsCancelled, ProgrammeFixed, UnfitOffering),
)
async def change_offering(
    offering_id: str,
    body: NewOffering,
    _: Planner,
    revision: ExpectedRevision,
    once: Once,
    etag: Tagged,
    service: Service,
) -> Offering:
    """Replace what an offering says: dates, seats, sessions. It stays with its programme."""
    offering = await once(Offering, lambda tx: service.change(tx, offering_id, body, revision))
    etag.set(offering.revision)
    return offering


@router.post(
    "/offerings/{offering_id}/cancellation", responses=refusals(PreconditionFailed, CodeTaken, OfferingIsCancelled)
)
async def cancel_offering(
    offering_id: str, body: Cancellation, once: Once, etag: Tagged, service: Service, _: Planner
) -> Offering:
    """Cancel an offering: it leaves the catalogue, and the change feed keeps a tombstone."""
    offering = await once(Offering, lambda tx: service.cancel(tx, offering_id, body.reason))
    etag.set(offering.revision)
    return offering
