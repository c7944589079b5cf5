"""The sign-in page."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import Provided
from cme_kit.pages import Pages
from cme_kit.problems import retry_after_seconds
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.returning import login_url, safe_return
from gateway.accounts.service import Accounts, Throttled

router = APIRouter(include_in_schema=False)
AccountsHere = Annotated[Accounts, Provided(Accounts)]
BrowserHere = Annotated[Browser, Provided(Browser)]
PagesHere = Annotated[Pages, Provided(Pages)]
Everybody = Annotated[None, Public()]


def login_page(
    request: Request,
    pages: Pages,
    browser: Browser,
    return_to: str,
    username: str = "",
    error: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """The sign-in page, with an error summary when something was wrong."""
    token, cookie = browser.form_token(request)
    response = pages.render(
        request,
        "login.html",
        status=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        csrf_token=token,
        return_to=safe_return(return_to),
        username=username,
        error=error,
    )
    browser.keep_form_cookie(request, response, cookie)
    return response


@router.get("/login")
async def show_login(
    request: Request,
    pages: PagesHere,
    browser: BrowserHere,
    _: Everybody,
    return_to: Annotated[str, Query(max_length=8000)] = "",
) -> Response:
    """The sign-in form."""
    return login_page(request, pages, browser, return_to)


@router.post("/login")
async def sign_in(
    request: Request,
    pages: PagesHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    _: Everybody,
    csrf_token: Annotated[str, Form(max_length=200)] = "",
    username: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    return_to: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """Sign in and go on to where the person came from."""
    browser.check_form(request, csrf_token)
    if not username.strip() or not password:
        return login_page(request, pages, browser, return_to, username, "missing", 422)
    result = await accounts.sign_in(username, password, visit(request), browser.session(request))
    if isinstance(result, Throttled):
        wait = {"Retry-After": retry_after_seconds(result.seconds)}
        return login_page(request, pages, browser, return_to, username, "throttled", 429, wait)
    if result is None:
        return login_page(request, pages, browser, return_to, username, "wrong", 403)
    response = RedirectResponse(safe_return(return_to), 303, {"Cache-Control": "no-store"})
    browser.begin_session(response, result.cookie)
    return response


@router.post("/logout")
async def sign_out(
    request: Request,
    browser: BrowserHere,
    accounts: AccountsHere,
    _: Everybody,
    csrf_token: Annotated[str, Form(max_length=200)] = "",
    return_to: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """End the session, and let somebody else sign in."""
    browser.check_form(request, csrf_token)
    if cookie := browser.session(request):
        await accounts.sign_out(cookie)
    target = safe_return(return_to)
    response = RedirectResponse(login_url(target) if target != "" else "/", 303, {"Cache-Control": "no-store"})
    browser.end_session(response)
    return response
