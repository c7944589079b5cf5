"""Who may call a page: a signed-in person, by a form of ours. A handler's signature states it."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Public
from fastapi import Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser
from gateway.accounts.returning import HOME, login_url
from gateway.accounts.service import Accounts, SignedIn


class NotSignedIn(Exception):
    """A page for signed-in people was opened by somebody who is not."""

    def __init__(self, return_to: str) -> None:
        super().__init__(return_to)
        self.return_to = return_to


async def signed_in_person(request: Request) -> SignedIn:
    """The person of the browser's session. Raises NotSignedIn."""
    accounts: Accounts = request.app.state.provided[Accounts]
    browser: Browser = request.app.state.provided[Browser]
    signed_in = await accounts.session(browser.session(request))
    if signed_in is None:
        # A form is not sent again after signing in; its page is opened.
        here = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        raise NotSignedIn(here if request.method == "GET" else HOME)
    return signed_in


async def form_of_ours(request: Request, csrf_token: Annotated[str, Form(max_length=200)] = "") -> None:
    """Raises ForgedForm unless the form was sent from a page that this browser got (OWASP ASVS 5.0, 3.5.1)."""
    browser: Browser = request.app.state.provided[Browser]
    browser.check_form(request, csrf_token)


#: In a handler: `person: Person`, `_: OurForm`, `_: Everybody`.
Person = Annotated[SignedIn, Depends(signed_in_person)]
OurForm = Annotated[None, Depends(form_of_ours)]
Everybody = Annotated[None, Public()]


async def to_sign_in(_request: Request, error: Exception) -> Response:
    """Send somebody who is not signed in to the sign-in page, and back afterwards."""
    assert isinstance(error, NotSignedIn)
    return RedirectResponse(login_url(error.return_to), 303, {"Cache-Control": "no-store"})
