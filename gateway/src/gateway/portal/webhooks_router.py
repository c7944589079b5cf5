"""`/portal/applications/{client_id}/webhooks`: making webhooks, changing them, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cme_kit.http import IdempotentCreation, Provided
from cme_kit.problems import ServiceError
from fastapi import APIRouter, Depends, Form, Request, Response

from gateway.accounts.domain import Account
from gateway.accounts.people import OurForm, Person
from gateway.clients.domain import Client
from gateway.portal.rendering import PortalPages, PortalRoute
from gateway.portal.router import back_to
from gateway.portal.service import usable
from gateway.portal.webhook_forms import TYPES_CLOSED, URL_WRONG, WebhookForm
from gateway.portal.webhooks_service import SCOPE, Once, PortalWebhooks
from gateway.webhooks.domain import Signing, Status
from gateway.webhooks.schemas import EventTypeView
from gateway.webhooks.service import BadAddress, NotYours

router = APIRouter(prefix="/portal/applications/{client_id}/webhooks", include_in_schema=False, route_class=PortalRoute)
PagesHere = Annotated[PortalPages, Provided(PortalPages)]
WebhooksHere = Annotated[PortalWebhooks, Provided(PortalWebhooks)]
Field = Annotated[str, Form(max_length=5000)]
Types = Annotated[list[str], Form(max_length=200)]
Revision = Annotated[int, Form(ge=1)]
#: What is wrong at which field, by what the service refuses.
REFUSED = {BadAddress.code: ("url", URL_WRONG), NotYours.code: ("event_types", TYPES_CLOSED)}


async def once_of(request: Request, person: Person, once: Annotated[str, Form(max_length=100)] = "") -> Once:
    """The form's hidden value, as what runs it once."""
    platform = request.app.state.platform
    key = f"{person.account.subject}.{usable(once)}"
    return Once(key, IdempotentCreation(platform.database, platform.outbox, platform.clock, request, key))


OnceHere = Annotated[Once, Depends(once_of)]


@dataclass(frozen=True)
class Group:
    """Events of one service."""

    service: str
    events: list[EventTypeView]


def grouped(events: list[EventTypeView]) -> list[Group]:
    """Events by their service."""
    services = dict.fromkeys(event.type.split(".")[2] for event in events)
    return [Group(service, [one for one in events if one.type.split(".")[2] == service]) for service in services]


@router.get("")
async def listed(
    request: Request, person: Person, pages: PagesHere, webhooks: WebhooksHere, client_id: str
) -> Response:
    """An application's webhooks."""
    client, found = await webhooks.all(person.account, client_id)
    may = SCOPE in client.scopes and client.is_active
    return pages.of_application(request, person, client, "webhooks", part="webhooks", webhooks=found, may=may)


@router.get("/new")
async def new(request: Request, person: Person, pages: PagesHere, webhooks: WebhooksHere, client_id: str) -> Response:
    """The form of a new webhook."""
    client = await webhooks.client(person.account, client_id)
    return _new_page(request, person, pages, webhooks, client, WebhookForm())


def _new_page(
    request: Request,
    person: Person,
    pages: PortalPages,
    webhooks: PortalWebhooks,
    client: Client,
    form: WebhookForm,
    errors: dict[str, str] | None = None,
) -> Response:
    return pages.of_application(
        request,
        person,
        client,
        "webhook_new",
        part="webhooks",
        status=422 if errors else 200,
        errors=errors,
        form=form,
        groups=grouped(webhooks.event_types(client)),
    )


@router.post("/new")
async def create(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    webhooks: WebhooksHere,
    once: OnceHere,
    client_id: str,
    url: Field = "",
    description: Field = "",
    event_type: Types = [],  # noqa: B006  (FastAPI copies it)
    signing: Annotated[Signing, Form()] = Signing.SYMMETRIC,
) -> Response:
    """Make a webhook; a shared secret is in this answer only."""
    client = await webhooks.client(person.account, client_id)
    form = WebhookForm(url, description, frozenset(event_type), signing)
    if errors := form.errors():
        return _new_page(request, person, pages, webhooks, client, form, errors)
    try:
        made = await webhooks.create(person.account, client_id, form.request(), once)
    except (BadAddress, NotYours) as error:
        return _new_page(request, person, pages, webhooks, client, form, _at_field(error))
    return pages.of_application(
        request,
        person,
        client,
        "webhook_made",
        part="webhooks",
        webhook=made.webhook,
        secret=made.secret,
        is_next=False,
    )


def _at_field(error: ServiceError) -> dict[str, str]:
    field, text = REFUSED[error.code]
    return {field: text}


@router.get("/{webhook_id}/settings")
async def settings(
    request: Request, person: Person, pages: PagesHere, webhooks: WebhooksHere, client_id: str, webhook_id: str
) -> Response:
    """What of a webhook can be changed."""
    return await _settings_page(request, person.account, person, pages, webhooks, client_id, webhook_id)


async def _settings_page(
    request: Request,
    account: Account,
    person: Person,
    pages: PortalPages,
    webhooks: PortalWebhooks,
    client_id: str,
    webhook_id: str,
    form: WebhookForm | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    client, webhook = await webhooks.one(account, client_id, webhook_id)
    return pages.of_application(
        request,
        person,
        client,
        "webhook_settings",
        part="webhooks",
        status=422 if errors else 200,
        errors=errors,
        webhook=webhook,
        form=form or WebhookForm.of(webhook),
        groups=grouped(webhooks.event_types(client)),
    )


@router.post("/{webhook_id}/settings")
async def change(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    revision: Revision,
    url: Field = "",
    description: Field = "",
    event_type: Types = [],  # noqa: B006  (FastAPI copies it)
) -> Response:
    """Change address, events and description."""
    form = WebhookForm(url, description, frozenset(event_type))
    errors = form.errors()
    if not errors:
        try:
            await webhooks.change(person.account, client_id, webhook_id, form.change(), revision)
        except (BadAddress, NotYours) as error:
            errors = _at_field(error)
    if errors:
        here = (request, person.account, person, pages, webhooks, client_id, webhook_id)
        return await _settings_page(*here, form, errors)
    return back_to(_place(client_id, webhook_id), "saved")


@router.post("/{webhook_id}/status")
async def set_status(
    person: Person,
    _: OurForm,
    webhooks: WebhooksHere,
    client_id: str,
    webhook_id: str,
    revision: Revision,
    status: Annotated[Status, Form()],
) -> Response:
    """Disable a webhook, or make it active again."""
    await webhooks.set_status(person.account, client_id, webhook_id, status, revision)
    return back_to(_place(client_id, webhook_id), f"webhook-{status.value}")


@router.post("/{webhook_id}/rotation")
async def rotate(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    webhooks: WebhooksHere,
    once: OnceHere,
    client_id: str,
    webhook_id: str,
    signing: Annotated[Signing | None, Form()] = None,
) -> Response:
    """Give a webhook its next key; a shared secret is in this answer only."""
    made = await webhooks.rotate(person.account, client_id, webhook_id, signing, once)
    client = await webhooks.client(person.account, client_id)
    return pages.of_application(
        request, person, client, "webhook_made", part="webhooks", webhook=made.webhook, secret=made.secret, is_next=True
    )


@router.post("/{webhook_id}/removal")
async def remove(person: Person, _: OurForm, webhooks: WebhooksHere, client_id: str, webhook_id: str) -> Response:
    """Forget a webhook."""
    await webhooks.remove(person.account, client_id, webhook_id)
    return back_to(f"/portal/applications/{client_id}/webhooks", "webhook-removed")


def _place(client_id: str, webhook_id: str) -> str:
    return f"/portal/applications/{client_id}/webhooks/{webhook_id}"
