"""The authorization endpoint and the consent page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

from cme_kit.auth import Public
from cme_kit.http import Provided
from cme_kit.pages import Pages
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser
from gateway.accounts.returning import AUTHORIZE, login_url
from gateway.accounts.service import Accounts, SignedIn
from gateway.edge.limits import TARGET_LIMIT
from gateway.oauth.authorization import Authorizations, RefusedHere, RefusedThere
from gateway.oauth.domain import CONSENT_LIFETIME, AuthorizationRequest
from gateway.oauth.forms import form_items
from gateway.oauth.scopes import SCOPES, in_order

router = APIRouter(include_in_schema=False)
AccountsHere = Annotated[Accounts, Provided(Accounts)]
AuthorizationsHere = Annotated[Authorizations, Provided(Authorizations)]
BrowserHere = Annotated[Browser, Provided(Browser)]
PagesHere = Annotated[Pages, Provided(Pages)]
Everybody = Annotated[None, Public()]
NO_STORE = {"Cache-Control": "no-store"}


@router.get("/oauth/authorize")
async def authorize(
    request: Request,
    pages: PagesHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    authorizations: AuthorizationsHere,
    _: Everybody,
) -> Response:
    """Ask the person, or answer with a code when they allowed it before."""
    items = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    return await _authorize(request, items, pages, browser, accounts, authorizations)


@router.post("/oauth/authorize")
async def authorize_by_form(
    request: Request,
    pages: PagesHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    authorizations: AuthorizationsHere,
    _: Everybody,
) -> Response:
    """The same with the parameters in a form (RFC 6749 section 3.1)."""
    return await _authorize(request, await form_items(request), pages, browser, accounts, authorizations)


async def _authorize(
    request: Request,
    items: list[tuple[str, str]],
    pages: Pages,
    browser: Browser,
    accounts: Accounts,
    authorizations: Authorizations,
) -> Response:
    return_to = AUTHORIZE + urlencode(items)
    if len(login_url(return_to)) > TARGET_LIMIT:
        return _refusal_page(request, pages, RefusedHere("This request is too long. The app can push it (RFC 9126)."))
    signed_in = await accounts.session(browser.session(request))
    try:
        asked = await authorizations.validate(items)
        if authorizations.must_sign_in(asked, signed_in) or signed_in is None:
            return RedirectResponse(login_url(_asked_once(items)), 303, NO_STORE)
        scopes = authorizations.grantable(asked, signed_in.account)
        if await authorizations.must_ask(asked, signed_in.account, scopes):
            return _consent_page(request, pages, browser, asked, signed_in, scopes, return_to)
        return RedirectResponse(await authorizations.issue_code(asked, signed_in, scopes), 303, NO_STORE)
    except RefusedHere as refusal:
        return _refusal_page(request, pages, refusal)
    except RefusedThere as refusal:
        # A link of ours leads nobody who is not signed in to an address of somebody else (RFC 9700 section 4.11.2).
        leads_away = signed_in is not None or refusal.at_once
        return RedirectResponse(refusal.location if leads_away else login_url(_asked_once(items)), 303, NO_STORE)


def _asked_once(items: list[tuple[str, str]]) -> str:
    """The request to come back to, without its wish for a new sign-in, which is being fulfilled."""
    kept = []
    for name, value in items:
        words = [word for word in value.split() if word != "login"] if name == "prompt" else [value]
        if words and (name, value) != ("max_age", "0"):
            kept.append((name, " ".join(words)))
    return AUTHORIZE + urlencode(kept)


@router.post("/consent")
async def decide(
    request: Request,
    pages: PagesHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    authorizations: AuthorizationsHere,
    _: Everybody,
    csrf_token: Annotated[str, Form(max_length=200)] = "",
    return_to: Annotated[str, Form(max_length=8000)] = "",
    decision: Annotated[str, Form(pattern="^(allow|deny)$")] = "deny",
) -> Response:
    """The person's decision about the authorization request in `return_to`."""
    browser.check_form(request, csrf_token)
    signed_in = await accounts.session(browser.session(request))
    if signed_in is None:
        return RedirectResponse(login_url(return_to), 303, NO_STORE)
    try:
        # The page hands the request back; it is validated again, so nothing in it needs to be trusted.
        items = parse_qsl(urlsplit(return_to).query, keep_blank_values=True)
        asked = await authorizations.validate(items)
        if authorizations.must_sign_in(asked, signed_in):
            return RedirectResponse(login_url(_asked_once(items)), 303, NO_STORE)
        if decision == "deny":
            return RedirectResponse(await authorizations.deny(asked, signed_in.account), 303, NO_STORE)
        scopes = authorizations.grantable(asked, signed_in.account)
        return RedirectResponse(await authorizations.allow(asked, signed_in, scopes), 303, NO_STORE)
    except RefusedHere as refusal:
        return _refusal_page(request, pages, refusal)
    except RefusedThere as refusal:
        return RedirectResponse(refusal.location, 303, NO_STORE)


def _consent_page(
    request: Request,
    pages: Pages,
    browser: Browser,
    asked: AuthorizationRequest,
    signed_in: SignedIn,
    scopes: frozenset[str],
    return_to: str,
) -> Response:
    token, _ = browser.form_token(request)
    target = urlsplit(asked.redirect_uri)
    return pages.render(
        request,
        "consent.html",
        headers=NO_STORE,
        # The form's answer redirects to the client, which form-action has to know.
        form_targets=f"'self' {target.scheme}://{target.netloc}",
        client_name=asked.client_name,
        client_host=target.netloc,
        unknown_client=asked.unknown_client,
        person=signed_in.account.display_name,
        permissions=[SCOPES[scope] for scope in in_order(scopes)],
        days=CONSENT_LIFETIME.days,
        csrf_token=token,
        return_to=return_to,
    )


def _refusal_page(request: Request, pages: Pages, refusal: RefusedHere) -> Response:
    return pages.render(request, "refused.html", status=400, headers=NO_STORE, detail=refusal.detail)
