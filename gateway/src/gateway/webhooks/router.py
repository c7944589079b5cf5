"""`/gateway/v1/webhooks`."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.outbox import Outbox
from cme_kit.problems import Forbidden
from cme_kit.schemas import Page
from fastapi import Depends, Header, Path, Query, Request, Response

from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.webhooks.delivery_log import DeliveryLog, ReplayIsRunning
from gateway.webhooks.domain import State
from gateway.webhooks.ids import message_id_of, webhook_id_of
from gateway.webhooks.samples import Samples, TooManyTests
from gateway.webhooks.schemas import (
    DeliveryView,
    DeliveryWithAttempts,
    EventTypeList,
    ReplayRequest,
    ReplayView,
    Rotation,
    TestRequest,
    Triggered,
    WebhookChange,
    WebhookRequest,
    WebhookView,
    WebhookWithSecret,
)
from gateway.webhooks.service import (
    BadAddress,
    NotYours,
    TooManyKeys,
    TooManyWebhooks,
    WebhookIsDisabled,
    Webhooks,
    secret_of,
)

router = service_router("webhooks", "/gateway/v1/webhooks")
Caller = Annotated[Principal, Requires("gateway.webhooks:write")]
Service = Annotated[Webhooks, Provided(Webhooks)]
Log = Annotated[DeliveryLog, Provided(DeliveryLog)]
SamplesHere = Annotated[Samples, Provided(Samples)]
OutboxHere = Annotated[Outbox, Provided(Outbox)]
OnceKey = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]
CREATE = "create"


class ClientRequired(Forbidden):
    """Webhooks belong to systems."""

    code = "client_required"


async def calling_client(principal: Caller, clients: Annotated[Clients, Provided(Clients)]) -> Client:
    """The client that calls in its own name. Raises ClientRequired."""
    client = None if principal.is_person else await clients.active(principal.client_id)
    if client is None:
        raise ClientRequired("Webhooks belong to a client: use its own token (grant_type=client_credentials).")
    return client


async def _webhook_id(
    webhook_id: Annotated[str, Path(max_length=40, description="hook_… of one of your webhooks")],
) -> str:
    return webhook_id_of(webhook_id)


async def _message_id(
    message_id: Annotated[str, Path(max_length=40, description="The event's id, the `webhook-id` that you received")],
) -> str:
    return message_id_of(message_id)


Owner = Annotated[Client, Depends(calling_client)]
WebhookId = Annotated[str, Depends(_webhook_id)]
MessageId = Annotated[str, Depends(_message_id)]
_MINE = refusals(ClientRequired)


@router.post(
    "",
    status_code=201,
    summary="Make a webhook",
    responses=refusals(ClientRequired, BadAddress, NotYours, TooManyWebhooks),
)
async def create(
    request: WebhookRequest,
    etag: Tagged,
    principal: Caller,
    client: Owner,
    webhooks: Service,
    once: Once,
    once_key: OnceKey = None,
) -> WebhookWithSecret:
    """Have events sent to an address. A shared secret (`v1`) is in this answer and never shown again."""
    await webhooks.check(client, request.url, request.event_types)
    key = webhooks.new_key(client, CREATE, once_key)
    made = await once(WebhookView, lambda tx: webhooks.create(tx, client, request, key, principal.subject))
    etag.set(made.revision)
    return WebhookWithSecret(**made.model_dump(), signing_secret=secret_of(request.signing, key))


@router.get("", summary="List your webhooks", responses=_MINE)
async def list_webhooks(
    request: Request, response: Response, _: Caller, client: Owner, webhooks: Service, paging: Paged
) -> Page[WebhookView]:
    """Those of the calling client."""
    found = await webhooks.page(client, paging.after, paging.limit)
    return page_of(request, response, found, paging, lambda webhook: webhook.webhook_id)


@router.get("/event-types", summary="List the events that webhooks tell of", responses=_MINE)
async def list_event_types(_: Caller, client: Owner, webhooks: Service) -> EventTypeList:
    """Each with the scope that it needs, its schema, and a sample."""
    return webhooks.event_types(client)


@router.post(
    "/triggers",
    status_code=202,
    summary="Send a sample to all of them",
    responses=refusals(ClientRequired, TooManyTests),
)
async def trigger(request: TestRequest, _: Caller, client: Owner, samples: SamplesHere, once: Once) -> Triggered:
    """Send a sample to every webhook that wants to be told of its type, and to who listens. It says `"test": true`."""
    return await once(Triggered, lambda tx: samples.trigger(tx, client, request.type, request.data))


@router.get("/{webhook_id}", summary="Read a webhook", responses=_MINE)
async def read(webhook_id: WebhookId, etag: Tagged, _: Caller, client: Owner, webhooks: Service) -> WebhookView:
    """A webhook, how its receiver does, and the keys that sign now."""
    found = await webhooks.find(client, webhook_id)
    etag.set(found.revision)
    return found


@router.patch("/{webhook_id}", summary="Change a webhook", responses=refusals(ClientRequired, BadAddress, NotYours))
async def change(
    principal: Caller,
    client: Owner,
    webhook_id: WebhookId,
    request: WebhookChange,
    etag: Tagged,
    revision: ExpectedRevision,
    webhooks: Service,
    outbox: OutboxHere,
) -> WebhookView:
    """Change address, events, description or status; what is left out stays. Disabling cancels what is pending."""
    await webhooks.check(client, request.url, request.event_types)
    changed = await outbox.transaction(
        lambda tx: webhooks.change(tx, client, webhook_id, request, revision, principal.subject)
    )
    etag.set(changed.revision)
    return changed


@router.delete("/{webhook_id}", status_code=204, summary="Remove a webhook", responses=_MINE)
async def remove(
    webhook_id: WebhookId, principal: Caller, client: Owner, webhooks: Service, outbox: OutboxHere
) -> None:
    """Forget a webhook and its deliveries."""
    await outbox.transaction(lambda tx: webhooks.remove(tx, client, webhook_id, principal.subject))


@router.post(
    "/{webhook_id}/rotation",
    status_code=201,
    summary="Rotate its key",
    responses=refusals(ClientRequired, TooManyKeys),
)
async def rotate(
    webhook_id: WebhookId,
    request: Rotation,
    etag: Tagged,
    principal: Caller,
    client: Owner,
    webhooks: Service,
    once: Once,
    once_key: OnceKey = None,
) -> WebhookWithSecret:
    """Sign with a new key from now on, and for 24 hours with the one before as well. A `v1` secret is shown here only."""
    key = webhooks.new_key(client, webhook_id, once_key)
    made = await once(
        WebhookView, lambda tx: webhooks.rotate(tx, client, webhook_id, request.signing, key, principal.subject)
    )
    etag.set(made.revision)
    return WebhookWithSecret(**made.model_dump(), signing_secret=secret_of(made.signing, key))


@router.post(
    "/{webhook_id}/tests",
    status_code=202,
    summary="Send a sample",
    responses=refusals(ClientRequired, WebhookIsDisabled, TooManyTests),
)
async def send_test(
    webhook_id: WebhookId, request: TestRequest, _: Caller, client: Owner, samples: SamplesHere, once: Once
) -> DeliveryView:
    """Send a sample of any event to one webhook, whatever it wants to be told of. It says `"test": true`."""
    return await once(DeliveryView, lambda tx: samples.send_test(tx, client, webhook_id, request.type, request.data))


@router.get("/{webhook_id}/deliveries", summary="List what was sent", responses=_MINE)
async def list_deliveries(
    webhook_id: WebhookId,
    request: Request,
    response: Response,
    _: Caller,
    client: Owner,
    log: Log,
    paging: Paged,
    state: Annotated[State | None, Query(description="Only those that stand so")] = None,
) -> Page[DeliveryView]:
    """A webhook's deliveries of the last 30 days, the newest event first."""
    found = await log.deliveries(client, webhook_id, state, paging.after, paging.limit)
    return page_of(request, response, found, paging, lambda delivery: delivery.message_id)


@router.get("/{webhook_id}/deliveries/{message_id}", summary="Read a delivery", responses=_MINE)
async def read_delivery(
    webhook_id: WebhookId, message_id: MessageId, _: Caller, client: Owner, log: Log
) -> DeliveryWithAttempts:
    """What is sent, every attempt, and what the receiver answered."""
    return await log.delivery(client, webhook_id, message_id)


@router.post(
    "/{webhook_id}/deliveries/{message_id}/resend",
    status_code=202,
    summary="Send one again",
    responses=refusals(ClientRequired, WebhookIsDisabled),
)
async def resend(
    webhook_id: WebhookId, message_id: MessageId, _: Caller, client: Owner, log: Log, once: Once
) -> DeliveryView:
    """Begin a delivery again, with the same `webhook-id`."""
    return await once(DeliveryView, lambda tx: log.resend(tx, client, webhook_id, message_id))


@router.post(
    "/{webhook_id}/replays",
    status_code=202,
    summary="Send everything again from a time on",
    responses=refusals(ClientRequired, WebhookIsDisabled, ReplayIsRunning),
)
async def replay(
    webhook_id: WebhookId, request: ReplayRequest, _: Caller, client: Owner, log: Log, once: Once
) -> ReplayView:
    """Send what happened since then and was not delivered, also what happened before the webhook was made."""
    return await once(ReplayView, lambda tx: log.replay(tx, client, webhook_id, request))


@router.get("/{webhook_id}/replays/{replay_id}", summary="How far a replay is", responses=_MINE)
async def read_replay(
    webhook_id: WebhookId,
    replay_id: Annotated[str, Path(max_length=40, description="rpl_…")],
    _: Caller,
    client: Owner,
    log: Log,
) -> ReplayView:
    """A replay of one of your webhooks."""
    return await log.find_replay(client, webhook_id, replay_id)
