"""`/portal/guides`: open to everybody, filled in for who is signed in."""

from __future__ import annotations

from typing import Annotated

from cme_kit.http import Provided
from cme_kit.problems import NotFound
from fastapi import APIRouter, Query, Request, Response

from gateway.accounts.browser import Browser
from gateway.accounts.people import Everybody
from gateway.accounts.service import Accounts
from gateway.portal.domain import Kind, kind_of
from gateway.portal.guides import GUIDES, Guide, filled
from gateway.portal.rendering import PortalPages, PortalRoute
from gateway.portal.service import Portal

router = APIRouter(prefix="/portal/guides", include_in_schema=False, route_class=PortalRoute)
PagesHere = Annotated[PortalPages, Provided(PortalPages)]
AccountsHere = Annotated[Accounts, Provided(Accounts)]
BrowserHere = Annotated[Browser, Provided(Browser)]


@router.get("")
async def listed(
    request: Request, _: Everybody, pages: PagesHere, accounts: AccountsHere, browser: BrowserHere
) -> Response:
    """The three journeys."""
    person = await accounts.session(browser.session(request))
    return pages.render(request, person, "guides", here="guides", guides=GUIDES)


@router.get("/{guide}")
async def show(
    request: Request,
    _: Everybody,
    pages: PagesHere,
    accounts: AccountsHere,
    browser: BrowserHere,
    portal: Annotated[Portal, Provided(Portal)],
    guide: str,
    application: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """One journey, with the reader's application in its examples."""
    if guide not in {one.value for one in Guide}:
        raise NotFound("page")
    person = await accounts.session(browser.session(request))
    clients = await portal.clients(person.account) if person else []
    systems = [client for client in clients if kind_of(client) is Kind.SYSTEM and client.is_active]
    app = next((client for client in clients if kind_of(client).is_for_people), None)
    chosen = next((client for client in systems if client.client_id == application), None)
    chosen = chosen or next(iter(systems), None)
    return pages.render(
        request,
        person,
        f"guide_{guide}",
        here="guides",
        guides=GUIDES,
        guide=guide,
        systems=systems,
        chosen=chosen,
        examples_of=filled(pages.base, chosen, app),
    )
