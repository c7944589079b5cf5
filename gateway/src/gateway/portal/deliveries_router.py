"""`/portal/applications/{client_id}/webhooks/{webhook_id}`: what was sent, sending it again, and test events."""

from __future__ import annotations

import json
from typing import Annotated

from cme_kit.http import Provided
from fastapi import APIRouter, Form, Query, Request, Response

from gateway.accounts.people import OurForm, Person
from gateway.portal.rendering import PortalPages, PortalRoute
from gateway.portal.router import back_to
from gateway.portal.webhook_forms import SINCE_WRONG, moment_of
from gateway.portal.webhooks_service import SHOWN_DELIVERIES, PortalWebhooks
from gateway.webhooks.domain import State
from gateway.webhooks.schemas import EventTypeName

router = APIRouter(
    prefix="/portal/applications/{client_id}/webhooks/{webhook_id}", include_in_schema=False, route_class=PortalRoute
)
PagesHere = Annotated[PortalPages, Provided(PortalPages)]
WebhooksHere = Annotated[PortalWebhooks, Provided(PortalWebhooks)]


@router.get("")
async def show(
    request: Request,
    person: Person,
    pages: PagesHere,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    state: Annotated[State | None, Query()] = None,
    before: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """A webhook, how its receiver does, and its deliveries."""
    return await _page(request, person, pages, webhooks, client_id, webhook_id, state, before)


async def _page(
    request: Request,
    person: Person,
    pages: PortalPages,
    webhooks: PortalWebhooks,
    client_id: str,
    webhook_id: str,
    state: State | None = None,
    before: str | None = None,
    errors: dict[str, str] | None = None,
    since: str = "",
) -> Response:
    client, webhook = await webhooks.one(person.account, client_id, webhook_id)
    found = await webhooks.deliveries(person.account, client_id, webhook_id, state, before)
    shown = found[:SHOWN_DELIVERIES]
    return pages.of_application(
        request,
        person,
        client,
        "webhook",
        part="webhooks",
        status=422 if errors else 200,
        errors=errors,
        webhook=webhook,
        deliveries=shown,
        earlier=shown[-1].message_id if len(found) > len(shown) else None,
        state=state,
        states=list(State),
        events=webhooks.event_types(client),
        since=since,
    )


@router.post("/tests")
async def send_test(
    person: Person,
    _: OurForm,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    event_type: Annotated[EventTypeName, Form()],
) -> Response:
    """Send a sample of an event, and show what came of it."""
    message_id = await webhooks.send_test(person.account, client_id, webhook_id, event_type)
    return back_to(_delivery(client_id, webhook_id, message_id))


@router.post("/replays")
async def replay(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    since: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Send everything again that happened since a moment and was not delivered."""
    moment = moment_of(since)
    if moment is None or moment > webhooks.now():
        here = (request, person, pages, webhooks, client_id, webhook_id)
        return await _page(*here, errors={"since": SINCE_WRONG}, since=since)
    await webhooks.replay(person.account, client_id, webhook_id, moment)
    return back_to(f"/portal/applications/{client_id}/webhooks/{webhook_id}", "replay")


@router.get("/deliveries/{message_id}")
async def show_delivery(
    request: Request,
    person: Person,
    pages: PagesHere,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    message_id: str,
) -> Response:
    """What is sent, every attempt, and what the receiver answered."""
    client, delivery = await webhooks.delivery(person.account, client_id, webhook_id, message_id)
    _, webhook = await webhooks.one(person.account, client_id, webhook_id)
    readable = json.dumps(json.loads(delivery.body), indent=1, ensure_ascii=False) if delivery.body else None
    return pages.of_application(
        *(request, person, client, "delivery"), part="webhooks", webhook=webhook, delivery=delivery, readable=readable
    )


@router.post("/deliveries/{message_id}/resend")
async def resend(
    person: Person, _: OurForm, webhooks: WebhooksHere, client_id: str, webhook_id: str, message_id: str
) -> Response:
    """Send one again, and show what came of it."""
    await webhooks.resend(person.account, client_id, webhook_id, message_id)
    return back_to(_delivery(client_id, webhook_id, message_id))


def _delivery(client_id: str, webhook_id: str, message_id: str) -> str:
    return f"/portal/applications/{client_id}/webhooks/{webhook_id}/deliveries/{message_id}"
