"""HTTP of calls."""

from typing import Annotated

from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, Provided, page_of, service_router, set_etag
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.calls.schemas import CallChange, CallView, NewCall, NewExtension
from enrolment.calls.service import Calls
from enrolment.offers.service import Offers

router = service_router("calls", "/enrolment/v1/calls")
Service = Annotated[Calls, Provided(Calls)]


@router.post("", status_code=201)
async def announce_call(
    new: NewCall,
    response: Response,
    service: Service,
    once: Once,
    _: Annotated[Principal, Requires("enrolment.calls:write")],
) -> CallView:
    """Announce a call for applications to one cohort of a published programme version."""
    call = await once(CallView, lambda tx: service.announce(tx, new))
    set_etag(response, call.revision)
    return call


@router.get("")
async def list_calls(
    request: Request, response: Response, service: Service, paging: Paged, _: Annotated[None, Public()]
) -> Page[CallView]:
    """All calls, oldest first."""
    return page_of(request, response, await service.page(paging), paging, lambda call: call.call_id)


@router.get("/{call_id}")
async def read_call(call_id: str, response: Response, service: Service, _: Annotated[None, Public()]) -> CallView:
    """One call with its seats. The ETag names its terms, for If-Match."""
    call = await service.get(call_id)
    set_etag(response, call.revision)
    return call


@router.patch("/{call_id}")
async def change_call(
    call_id: str,
    change: CallChange,
    response: Response,
    service: Service,
    once: Once,
    _: Annotated[Principal, Requires("enrolment.calls:write")],
    revision: ExpectedRevision,
) -> CallView:
    """Move the end of the window; a moment that has passed closes the call."""
    async with service.in_turn(call_id):
        call = await once(CallView, lambda tx: service.reschedule(tx, call_id, revision, change.closes_at))
    set_etag(response, call.revision)
    return call


@router.post("/{call_id}/extension")
async def add_seats(
    call_id: str,
    extension: NewExtension,
    response: Response,
    service: Service,
    offers: Annotated[Offers, Provided(Offers)],
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.selection:write")],
) -> CallView:
    """Add seats by a decision with its reason. Open offers and the waiting list can then fill them."""
    async with service.in_turn(call_id):
        call = await once(CallView, lambda tx: offers.add_seats(tx, call_id, extension, principal))
    set_etag(response, call.revision)
    return call
