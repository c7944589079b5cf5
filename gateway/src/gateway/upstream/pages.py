"""The way to another provider and back."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import structlog
from cme_kit.http import Provided
from cme_kit.pages import Pages, choose_language, gettext_noop
from cme_kit.problems import NotFound
from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.login_page import LoginPage
from gateway.accounts.people import Everybody, OurForm, Person
from gateway.accounts.returning import HOME, login_url, safe_return
from gateway.accounts.service import Accounts
from gateway.selfservice.account_page import AccountPage
from gateway.selfservice.pages import SIGN_IN_AGAIN, to_account
from gateway.upstream.client import NotVouchedFor
from gateway.upstream.documents import ProviderUnavailable
from gateway.upstream.domain import ATTEMPT_LIFETIME, Attempt, Identity
from gateway.upstream.service import Denied, LastWayIn, LinkedElsewhere, Upstreams

router = APIRouter(include_in_schema=False)
AccountsHere = Annotated[Accounts, Provided(Accounts)]
BrowserHere = Annotated[Browser, Provided(Browser)]
LoginPageHere = Annotated[LoginPage, Provided(LoginPage)]
PageHere = Annotated[AccountPage, Provided(AccountPage)]
PagesHere = Annotated[Pages, Provided(Pages)]
UpstreamsHere = Annotated[Upstreams, Provided(Upstreams)]
ProviderId = Annotated[str, Path(max_length=30)]
KEPT = "upstream"
KEPT_SECONDS = int(ATTEMPT_LIFETIME.total_seconds())
#: Of the 4,096 bytes of a cookie (RFC 6265 section 6.1), with room for whom the provider names.
MOST_KEPT = 3_000
NO_STORE = {"Cache-Control": "no-store"}
log = structlog.get_logger(__name__)

UNAVAILABLE = gettext_noop("That provider cannot be reached right now. Try again later. Nothing was changed.")
NOT_LINKED = gettext_noop("You did not sign in there, or it could not be confirmed. Nothing was linked.")
LINKED_ELSEWHERE = gettext_noop("That identity belongs to another account here. Nothing was linked.")
LAST_WAY_IN = gettext_noop("Add a passkey first: without this link nobody could sign in to your account.")


@router.get("/login/upstream/{provider}")
async def begin(
    request: Request,
    provider: ProviderId,
    _: Everybody,
    page: LoginPageHere,
    browser: BrowserHere,
    upstreams: UpstreamsHere,
    return_to: Annotated[str, Query(max_length=8000)] = "",
) -> Response:
    """Go and sign in there. A GET: a form's answer may not lead to other sites, and nothing is stored for it."""
    try:
        url, kept = await upstreams.begin(provider, safe_return(return_to))
    except ProviderUnavailable:
        return page.render(request, return_to, error="upstream_unavailable", status=503)
    if len(kept) > MOST_KEPT:
        return page.render(request, return_to, error="upstream_too_long", status=400)
    response = RedirectResponse(url, 303, NO_STORE)
    browser.keep(response, KEPT, kept, KEPT_SECONDS)
    return response


@router.get("/login/upstream/{provider}/callback")
async def come_back(
    request: Request,
    provider: ProviderId,
    _: Everybody,
    page: LoginPageHere,
    account_page: PageHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    upstreams: UpstreamsHere,
) -> Response:
    """Back from the provider, with a code or an error."""
    items = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    repeated = any(count > 1 for count in Counter(name for name, _ in items).values())
    person = await accounts.session(browser.session(request))
    attempt: Attempt | None = None
    error, status = "upstream_failed", 403
    try:
        answer = {} if repeated else dict(items)
        attempt, identity = await upstreams.arrive(provider, answer, browser.kept(request, KEPT))
        if attempt.linking is None:
            return await _sign_in(request, browser, upstreams, attempt, identity)
        if person is not None and person.account.subject == attempt.linking:
            await upstreams.link(person, identity)
            response = to_account("linked")
            browser.let_go(response, KEPT)
            return response
    except Denied:
        error = "upstream_denied"
    except (NotVouchedFor, NotFound) as why:
        log.info("not vouched for", provider=provider, why=str(why))
    except ProviderUnavailable:
        error, status = "upstream_unavailable", 503
    except LinkedElsewhere:
        error, status = "linked_elsewhere", 409
    texts = {"upstream_unavailable": UNAVAILABLE, "linked_elsewhere": LINKED_ELSEWHERE}
    if person is not None:
        errors = {"links": texts.get(error, NOT_LINKED)}
        response = await account_page.render(request, person, errors=errors, status=status)
    else:
        response = page.render(request, attempt.return_to if attempt else "", error=error, status=status)
    browser.let_go(response, KEPT)
    return response


async def _sign_in(
    request: Request, browser: Browser, upstreams: Upstreams, attempt: Attempt, identity: Identity
) -> Response:
    signed_in = await upstreams.sign_in(identity, visit(request), browser.session(request))
    if signed_in is None:
        response = RedirectResponse("/login/first", 303, NO_STORE)
        browser.keep(response, KEPT, upstreams.seal(identity, attempt.return_to), KEPT_SECONDS)
        return response
    response = RedirectResponse(safe_return(attempt.return_to), 303, NO_STORE)
    browser.begin_session(response, signed_in.cookie)
    browser.let_go(response, KEPT)
    return response


@router.get("/login/first")
async def first_time(
    request: Request, _: Everybody, pages: PagesHere, browser: BrowserHere, upstreams: UpstreamsHere
) -> Response:
    """Somebody whom no account belongs to yet decides: a new account, or one that they have."""
    known = upstreams.unseal(browser.kept(request, KEPT))
    if known is None:
        return RedirectResponse(login_url(HOME), 303, NO_STORE)
    identity, _return_to = known
    token, cookie = browser.form_token(request)
    response = pages.render(
        request,
        "login_first.html",
        headers=NO_STORE,
        csrf_token=token,
        provider=upstreams.names[identity.provider],
        name=identity.name,
        sign_in=login_url(HOME),
    )
    browser.keep_form_cookie(request, response, cookie)
    return response


@router.post("/login/first")
async def create(
    request: Request, _: Everybody, __: OurForm, page: LoginPageHere, browser: BrowserHere, upstreams: UpstreamsHere
) -> Response:
    """Make the account and sign in."""
    known = upstreams.unseal(browser.kept(request, KEPT))
    if known is None:
        return page.render(request, "", error="upstream_failed", status=403)
    identity, return_to = known
    try:
        signed_in = await upstreams.create(identity, choose_language(request), visit(request), browser.session(request))
    except LinkedElsewhere:
        # The form was sent twice. What the browser keeps proves an identity once only, to make an account.
        return RedirectResponse(login_url(return_to), 303, NO_STORE)
    response = RedirectResponse(safe_return(return_to), 303, NO_STORE)
    browser.begin_session(response, signed_in.cookie)
    browser.let_go(response, KEPT)
    return response


@router.post("/account/links/unlink")
async def unlink(
    request: Request,
    person: Person,
    _: OurForm,
    page: PageHere,
    upstreams: UpstreamsHere,
    issuer: Annotated[str, Form(max_length=2000)],
    sub: Annotated[str, Form(max_length=255)],
) -> Response:
    """End a link."""
    if not page.is_recent(person):
        return await page.render(request, person, errors={"links": SIGN_IN_AGAIN}, status=403)
    try:
        await upstreams.unlink(person, issuer, sub)
    except LastWayIn:
        return await page.render(request, person, errors={"links": LAST_WAY_IN}, status=409)
    except NotFound:
        pass  # unlinked in another browser meanwhile: the page shows what there is
    return to_account("unlinked")


@router.post("/account/links/{provider}")
async def begin_link(
    request: Request,
    provider: ProviderId,
    person: Person,
    _: OurForm,
    page: PageHere,
    pages: PagesHere,
    browser: BrowserHere,
    upstreams: UpstreamsHere,
) -> Response:
    """Go and sign in there, to link it. By a page with a link, because a form's answer may not lead to other sites."""
    if not page.is_recent(person):
        return await page.render(request, person, errors={"links": SIGN_IN_AGAIN}, status=403)
    try:
        url, kept = await upstreams.begin(provider, HOME, person.account.subject)
    except ProviderUnavailable:
        return await page.render(request, person, errors={"links": UNAVAILABLE}, status=503)
    headers = {**NO_STORE, "Refresh": f"0; url={url}"}
    response = pages.render(
        request, "account_continue.html", headers=headers, provider=upstreams.names[provider], url=url
    )
    browser.keep(response, KEPT, kept, KEPT_SECONDS)
    return response
