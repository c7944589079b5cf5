"""The sign-in page."""

from __future__ import annotations

from typing import Annotated

from cme_kit.http import Provided
from cme_kit.problems import retry_after_seconds
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.login_page import LoginPage
from gateway.accounts.people import Everybody, OurForm
from gateway.accounts.returning import login_url, safe_return
from gateway.accounts.service import Accounts, Throttled

router = APIRouter(include_in_schema=False)
AccountsHere = Annotated[Accounts, Provided(Accounts)]
BrowserHere = Annotated[Browser, Provided(Browser)]
LoginPageHere = Annotated[LoginPage, Provided(LoginPage)]


@router.get("/login")
async def show_login(
    request: Request,
    page: LoginPageHere,
    _: Everybody,
    return_to: Annotated[str, Query(max_length=8000)] = "",
) -> Response:
    """The sign-in form."""
    return page.render(request, return_to)


@router.post("/login")
async def sign_in(
    request: Request,
    page: LoginPageHere,
    browser: BrowserHere,
    accounts: AccountsHere,
    _: Everybody,
    __: OurForm,
    username: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    return_to: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """Sign in and go on to where the person came from."""
    if not username.strip() or not password:
        return page.render(request, return_to, username, "missing", 422)
    result = await accounts.sign_in(username, password, visit(request), browser.session(request))
    if isinstance(result, Throttled):
        wait = {"Retry-After": retry_after_seconds(result.seconds)}
        return page.render(request, return_to, username, "throttled", 429, wait)
    if result is None:
        return page.render(request, return_to, username, "wrong", 403)
    response = RedirectResponse(safe_return(return_to), 303, {"Cache-Control": "no-store"})
    browser.begin_session(response, result.cookie)
    return response


@router.post("/logout")
async def sign_out(
    request: Request,
    browser: BrowserHere,
    accounts: AccountsHere,
    _: Everybody,
    __: OurForm,
    return_to: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """End the session, and let somebody else sign in."""
    if cookie := browser.session(request):
        await accounts.sign_out(cookie)
    target = safe_return(return_to)
    response = RedirectResponse(login_url(target), 303, {"Cache-Control": "no-store"})
    browser.end_session(response)
    return response
