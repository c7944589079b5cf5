"""`/portal`: the first page, sandbox credentials in one step, and the programme office's decisions."""

from __future__ import annotations

from typing import Annotated

from cme_kit.http import Provided
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.people import OurForm, Person
from gateway.accounts.service import Accounts
from gateway.oauth.scopes import SCOPES, in_order
from gateway.portal.domain import KINDS, kind_of
from gateway.portal.forms import checked_name
from gateway.portal.rendering import NO_STORE, PortalPages, PortalRoute
from gateway.portal.service import Portal
from gateway.portal.usage_service import PortalUsage

router = APIRouter(include_in_schema=False, route_class=PortalRoute)
PagesHere = Annotated[PortalPages, Provided(PortalPages)]
PortalHere = Annotated[Portal, Provided(Portal)]
Once = Annotated[str, Form(max_length=100)]
ClientId = Annotated[str, Form(max_length=100)]

#: What the application is called that is made in one step, when its form does not say so in the page's language.
SOME_NAME = "Application"


def back_to(place: str, done: str = "") -> Response:
    """To a page, after a change."""
    return RedirectResponse(f"{place}?done={done}" if done else place, 303, NO_STORE)


@router.get("/portal")
async def home(
    request: Request,
    person: Person,
    pages: PagesHere,
    portal: PortalHere,
    usage: Annotated[PortalUsage, Provided(PortalUsage)],
) -> Response:
    """The steps to the first call, as far as they are done, and the person's applications."""
    clients = await portal.applications(person.account)
    return pages.render(request, person, "home", clients=clients, called=await usage.first_called(clients), kinds=KINDS)


@router.get("/portal/sandbox")
async def sandbox(_: Person) -> Response:
    """The address of the form, opened: its answer is shown once."""
    return back_to("/portal")


@router.post("/portal/sandbox")
async def get_sandbox_credentials(
    request: Request,
    person: Person,
    _: OurForm,
    pages: PagesHere,
    portal: PortalHere,
    once: Once = "",
    name: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Make an application of the sandbox and show its secret."""
    chosen = checked_name(name) or SOME_NAME
    return pages.credentials(request, person, await portal.start(person.account, chosen, once))


@router.get("/portal/requests")
async def requests(
    request: Request,
    person: Person,
    pages: PagesHere,
    portal: PortalHere,
    accounts: Annotated[Accounts, Provided(Accounts)],
) -> Response:
    """The applications that ask for real data, for who decides about them."""
    waiting = [
        (client, kind_of(client), in_order(client.scopes), await accounts.find(client.owner) if client.owner else None)
        for client in await portal.waiting(person.account)
    ]
    return pages.render(request, person, "requests", here="requests", waiting=waiting, kinds=KINDS, meanings=SCOPES)


@router.post("/portal/requests")
async def decide(
    person: Person,
    _: OurForm,
    portal: PortalHere,
    client: ClientId,
    decision: Annotated[str, Form(pattern="^(approve|refuse)$")],
) -> Response:
    """Approve or refuse one."""
    approve = decision == "approve"
    await portal.decide(person.account, client, approve=approve)
    return back_to("/portal/requests", "approved" if approve else "refused")
