"""`/portal/applications`: making an application, changing it, its secrets, and asking for real data."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from cme_kit.http import Provided
from fastapi import APIRouter, Form, Path, Query, Request, Response

from gateway.accounts.domain import Account
from gateway.accounts.people import OurForm, Person
from gateway.clients.domain import MOST_SECRETS, Client
from gateway.oauth.scopes import SCOPES, in_order
from gateway.portal.domain import KINDS, Kind, kind_of
from gateway.portal.forms import ApplicationForm, check
from gateway.portal.permissions import JOURNEYS, Journey, Permission, live_scopes, may_be_live, permissions_for
from gateway.portal.rendering import PortalPages, PortalRoute
from gateway.portal.router import back_to
from gateway.portal.service import Portal

router = APIRouter(prefix="/portal/applications", include_in_schema=False, route_class=PortalRoute)
PagesHere = Annotated[PortalPages, Provided(PortalPages)]
PortalHere = Annotated[Portal, Provided(Portal)]
Once = Annotated[str, Form(max_length=100)]
LongField = Annotated[str, Form(max_length=20_000)]
Scopes = Annotated[list[str], Form(max_length=200)]


def _groups(kind: Kind, person: Account) -> list[tuple[str, list[tuple[Permission, str, bool]]]]:
    """What an application may ask for, by journey: each with what it lets somebody do, and whether it is open live."""
    permissions = permissions_for(kind)
    return [
        (
            JOURNEYS[journey],
            [(one, SCOPES[one.scope], may_be_live(one, person)) for one in permissions if one.journey is journey],
        )
        for journey in Journey
        if any(one.journey is journey for one in permissions)
    ]


@router.get("")
async def listed(_: Person) -> Response:
    """The list is the portal's first page."""
    return back_to("/portal")


@router.get("/new")
async def choose(
    request: Request, person: Person, pages: PagesHere, kind: Annotated[Kind | None, Query()] = None
) -> Response:
    """Choose a kind, then fill in its form."""
    if kind is None:
        return pages.render(request, person, "kinds", kinds=KINDS)
    chosen = frozenset(one.scope for one in permissions_for(kind) if one.journey is not Journey.LEARNING)
    return _form_page(request, person, pages, ApplicationForm(kind=kind, scopes=chosen))


def _form_page(
    request: Request,
    person: Person,
    pages: PortalPages,
    form: ApplicationForm,
    errors: dict[str, str] | None = None,
) -> Response:
    return pages.render(
        request,
        person,
        "application_new",
        status=422 if errors else 200,
        errors=errors,
        form=form,
        kinds=KINDS,
        groups=_groups(form.kind, person.account),
        is_fixed=False,
    )


@router.post("/new")
async def create(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    portal: PortalHere,
    kind: Annotated[Kind, Form()],
    scope: Scopes = [],  # noqa: B006  (FastAPI copies it)
    name: LongField = "",
    redirect_uris: LongField = "",
    origins: LongField = "",
    jwks: LongField = "",
    fapi: Annotated[bool, Form()] = False,
    once: Once = "",
) -> Response:
    """Make an application of the sandbox; its secret is in this answer only."""
    form = ApplicationForm(kind, name, redirect_uris, origins, frozenset(scope), fapi, jwks)
    checked = check(form)
    if checked.request is None:
        return _form_page(request, person, pages, form, checked.errors)
    return pages.credentials(request, person, await portal.create(person.account, checked.request, once))


@router.get("/{client_id}")
async def settings(request: Request, person: Person, pages: PagesHere, portal: PortalHere, client_id: str) -> Response:
    """What an application is and may do."""
    client = await portal.application(person.account, client_id)
    return _settings_page(request, person, pages, client, ApplicationForm.of(client))


def _settings_page(
    request: Request,
    person: Person,
    pages: PortalPages,
    client: Client,
    form: ApplicationForm,
    errors: dict[str, str] | None = None,
) -> Response:
    kind = kind_of(client)
    return pages.of_application(
        request,
        person,
        client,
        "application",
        part="",
        status=422 if errors else 200,
        errors=errors,
        form=form,
        kinds=KINDS,
        groups=_groups(kind, person.account),
        is_fixed=not client.sandbox,
        scopes=in_order(client.scopes),
        live=in_order(live_scopes(kind, client.scopes, person.account)),
        meanings=SCOPES,
    )


@router.post("/{client_id}")
async def change(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    portal: PortalHere,
    client_id: str,
    scope: Scopes = [],  # noqa: B006  (FastAPI copies it)
    name: LongField = "",
    redirect_uris: LongField = "",
    origins: LongField = "",
    jwks: LongField = "",
    fapi: Annotated[bool, Form()] = False,
) -> Response:
    """Change an application."""
    client = await portal.application(person.account, client_id)
    form = ApplicationForm(kind_of(client), name, redirect_uris, origins, frozenset(scope), fapi, jwks)
    if not client.sandbox:
        form = replace(form, name=client.name, scopes=client.scopes)
    checked = check(form)
    if checked.request is None:
        return _settings_page(request, person, pages, client, form, checked.errors)
    await portal.change(person.account, client_id, checked.request)
    return back_to(f"/portal/applications/{client_id}", "saved")


@router.post("/{client_id}/live")
async def ask_for_live(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    portal: PortalHere,
    client_id: str,
    once: Once = "",
) -> Response:
    """Ask for real data: an application like this one waits until somebody approves it."""
    return pages.credentials(request, person, await portal.ask_for_live(person.account, client_id, once))


@router.post("/{client_id}/removal")
async def remove(person: Person, _: OurForm, portal: PortalHere, client_id: str) -> Response:
    """End an application."""
    await portal.remove(person.account, client_id)
    return back_to("/portal", "removed")


@router.get("/{client_id}/secrets")
async def secrets(request: Request, person: Person, pages: PagesHere, portal: PortalHere, client_id: str) -> Response:
    """The live secrets: their last characters and their age."""
    client = await portal.application(person.account, client_id)
    ages = [(secret, portal.days_since(secret.created)) for secret in client.secrets]
    return pages.of_application(request, person, client, "secrets", part="secrets", ages=ages, most=MOST_SECRETS)


@router.post("/{client_id}/secrets")
async def add_secret(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    portal: PortalHere,
    client_id: str,
    once: Once = "",
) -> Response:
    """Give an application its next secret; it is in this answer only."""
    made = await portal.add_secret(person.account, client_id, once)
    return pages.credentials(request, person, made, is_next=True)


@router.post("/{client_id}/secrets/removal")
async def remove_secret(
    person: Person, _: OurForm, portal: PortalHere, client_id: str, hint: Annotated[str, Form(max_length=10)]
) -> Response:
    """End a secret."""
    await portal.remove_secret(person.account, client_id, hint)
    return back_to(f"/portal/applications/{client_id}/secrets", "secret-removed")


@router.get("/{client_id}/{_part:path}")
async def part(client_id: str, _: Person, _part: Annotated[str, Path(max_length=100)]) -> Response:
    """The address of a form, opened: the language links of a page that answered it lead here."""
    return back_to(f"/portal/applications/{client_id}")
