"""HTTP of the selection."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Provided, service_router
from cme_kit.openapi_answers import refusals

from enrolment.calls.service import AlreadySelected, Calls
from enrolment.selection.schemas import NewSelection, SelectionView
from enrolment.selection.service import AnswerTimeOver, CallNotClosed, ScoresMissing, Selections

router = service_router("selection", "/enrolment/v1/calls")
Service = Annotated[Selections, Provided(Selections)]


@router.post(
    "/{call_id}/selection",
    status_code=201,
    responses=refusals(AlreadySelected, AnswerTimeOver, CallNotClosed, ScoresMissing),
)
async def make_selection(
    call_id: str,
    new: NewSelection,
    service: Service,
    calls: Annotated[Calls, Provided(Calls)],
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.selection:write")],
) -> SelectionView:
    """Rank the applications of a closed call and offer the places.

    Places kept for a country (its minimum) go to the best of that country, the others by points; a country at its
    maximum waits. Each decision carries its explanation.
    """
    async with calls.in_turn(call_id):
        return await once(SelectionView, lambda tx: service.make(tx, call_id, new.answer_by, principal))


@router.get("/{call_id}/selection")
async def read_selection(
    call_id: str,
    service: Service,
    _: Annotated[Principal, Requires("enrolment.applications:read", "enrolment.selection:write")],
) -> SelectionView:
    """The ranked list as it stands, promotions from the waiting list included."""
    return await service.get(call_id)
