"""`/gateway/v1/webhooks/listen`: what a client's webhooks would be sent, as server-sent events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from cme_kit.auth import Principal
from cme_kit.http import Provided, service_router
from cme_kit.openapi_answers import refusals, representations
from cme_kit.problems import Unprocessable
from fastapi import Header, Query
from fastapi.responses import StreamingResponse

from gateway.oauth.revocations import Revocations
from gateway.webhooks.domain import Signing
from gateway.webhooks.listening import Listening, TooManyListeners
from gateway.webhooks.router import Caller, ClientRequired, Owner, Service
from gateway.webhooks.schemas import EventTypeName
from gateway.webhooks.service import NotYours

MEDIA_TYPE = "text/event-stream"
router = service_router("webhooks", "/gateway/v1/webhooks")


class BadCursor(Unprocessable):
    """`Last-Event-ID` is no id of this stream."""

    code = "bad_cursor"


@router.get(
    "/listen",
    summary="Listen",
    response_class=StreamingResponse,
    responses={**representations(MEDIA_TYPE), **refusals(ClientRequired, NotYours, BadCursor, TooManyListeners)},
)
async def listen(
    principal: Caller,
    client: Owner,
    webhooks: Service,
    listening: Annotated[Listening, Provided(Listening)],
    revocations: Annotated[Revocations, Provided(Revocations)],
    event_type: Annotated[
        list[EventTypeName], Query(max_length=100, description="Only these; all that you may know when left out")
    ] = [],  # noqa: B006  (pydantic copies it)
    signing: Annotated[Signing, Query(description="How each is signed")] = Signing.ASYMMETRIC,
    last_event_id: Annotated[str | None, Header(max_length=40, description="The last that you had")] = None,
) -> StreamingResponse:
    """Stream the deliveries of the calling client as they happen, for a machine that no webhook reaches.

    The first event, `ready`, has the key to verify the others with: it is the client's own and always the same. Each
    `delivery` has `headers` and `body`, to be passed on as they are. `dropped` has the number of `messages` that were not
    told because they were too many: a webhook can be told them again. The stream ends with the token.
    """
    await webhooks.check(client, None, event_type)
    last = _cursor(last_event_id)
    stream = await listening.begin(client, frozenset(event_type), signing, last, _holds(principal, revocations))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type=MEDIA_TYPE, headers=headers)


def _cursor(last_event_id: str | None) -> str | None:
    if not last_event_id:
        return None
    try:
        return str(UUID(last_event_id))
    except ValueError:
        raise BadCursor("Send as Last-Event-ID the id of the last delivery, or nothing.") from None


def _holds(principal: Principal, revocations: Revocations) -> Callable[[], bool]:
    """Whether the caller's token still opens the stream."""

    def holds() -> bool:
        expired = principal.expires is not None and principal.expires <= time.time()
        return not expired and not revocations.is_revoked(principal.token_id)

    return holds
