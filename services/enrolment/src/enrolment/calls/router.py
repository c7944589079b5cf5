"""HTTP of calls."""

from typing import Annotated

from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.calls.schemas import CallChange, CallView, NewCall, NewExtension
from enrolment.calls.service import AlreadySelected, Calls, ProgrammeNotPublished, WindowEndsBeforeItBegins
from enrolment.offers.service import Offers, SeatsNotRaised

router = service_router("calls", "/enrolment/v1/calls")
Service = Annotated[Calls, Provided(Calls)]


@router.post("", status_code=201, responses=refusals(ProgrammeNotPublished))
async def announce_call(
    new: NewCall,
    etag: Tagged,
    service: Service,
    once: Once,
    _: Annotated[Principal, Requires("enrolment.calls:write")],
) -> CallView:
    """Announce a call for applications to one cohort of a published programme version."""
    call = await once(CallView, lambda tx: service.announce(tx, new))
    etag.set(call.revision)
    return call


@router.get("")
async def list_calls(
    request: Request, response: Response, service: Service, paging: Paged, _: Annotated[None, Public()]
) -> Page[CallView]:
    """All calls, oldest first."""
    return page_of(request, response, await service.page(paging), paging, lambda call: call.call_id)


@router.get("/{call_id}")
async def read_call(call_id: str, etag: Tagged, service: Service, _: Annotated[None, Public()]) -> CallView:
    """One call with its seats. The ETag names its terms, for If-Match."""
    call = await service.get(call_id)
    etag.set(call.revision)
    return call


@router.patch("/{call_id}", responses=refusals(AlreadySelected, WindowEndsBeforeItBegins))
async def change_call(
    call_id: str,
    change: CallChange,
    etag: Tagged,
    service: Service,
    once: Once,
    _: Annotated[Principal, Requires("enrolment.calls:write")],
    revision: ExpectedRevision,
) -> CallView:
    """Move the end of the window; a moment that has passed closes the call."""
    async with service.in_turn(call_id):
        call = await once(CallView, lambda tx: service.reschedule(tx, call_id, revision, change.closes_at))
    etag.set(call.revision)
    return call


@router.post("/{call_id}/extension", responses=refusals(SeatsNotRaised))
async def add_seats(
    call_id: str,
    extension: NewExtension,
    etag: Tagged,
    service: Service,
    offers: Annotated[Offers, Provided(Offers)],
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.selection:write")],
) -> CallView:
    """Add seats by a decision with its reason. Open offers and the waiting list can then fill them."""
    async with service.in_turn(call_id):
        call = await once(CallView, lambda tx: offers.add_seats(tx, call_id, extension, principal))
    etag.set(call.revision)
    return call
