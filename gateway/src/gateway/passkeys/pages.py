"""Adding, naming and removing passkeys on the account page, and signing in with one."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import Annotated, Any

from cme_kit.http import Provided
from cme_kit.pages import gettext_noop
from cme_kit.problems import NotFound
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.login_page import LoginPage
from gateway.accounts.people import Everybody, OurForm, Person
from gateway.accounts.returning import safe_return
from gateway.passkeys.ceremonies import LONGEST_ANSWER, PasskeyRefused
from gateway.passkeys.domain import LONGEST_NAME
from gateway.passkeys.service import Passkeys, SignInAgain
from gateway.selfservice.account_page import AccountPage
from gateway.selfservice.pages import SIGN_IN_AGAIN, to_account

router = APIRouter(include_in_schema=False)
BrowserHere = Annotated[Browser, Provided(Browser)]
PageHere = Annotated[AccountPage, Provided(AccountPage)]
PasskeysHere = Annotated[Passkeys, Provided(Passkeys)]
Credential = Annotated[str, Form(max_length=LONGEST_ANSWER)]
CredentialId = Annotated[str, Form(max_length=2000)]
NO_STORE = {"Cache-Control": "no-store"}

REFUSED = gettext_noop("This passkey could not be added. Try again; nothing was changed.")
NAME_MISSING = gettext_noop("Enter a name of at most 60 characters, such as “Work laptop”.")


@router.post("/login/passkey/options")
async def options_to_sign_in(
    request: Request, _: Everybody, __: OurForm, browser: BrowserHere, passkeys: PasskeysHere
) -> Response:
    """A challenge for this browser."""
    return _options(await passkeys.options_to_sign_in(browser.form_token(request)[1], visit(request).network))


@router.post("/login/passkey")
async def sign_in(
    request: Request,
    _: Everybody,
    __: OurForm,
    page: Annotated[LoginPage, Provided(LoginPage)],
    browser: BrowserHere,
    passkeys: PasskeysHere,
    credential: Credential = "",
    return_to: Annotated[str, Form(max_length=8000)] = "",
) -> Response:
    """Sign in and go on to where the person came from."""
    bound_to = browser.form_token(request)[1]
    try:
        signed_in = await passkeys.sign_in(bound_to, credential, visit(request), browser.session(request))
    except PasskeyRefused:
        return page.render(request, return_to, error="passkey", status=403)
    response = RedirectResponse(safe_return(return_to), 303, NO_STORE)
    browser.begin_session(response, signed_in.cookie)
    return response


@router.post("/account/passkeys/options")
async def options_to_add(
    request: Request, person: Person, _: OurForm, browser: BrowserHere, passkeys: PasskeysHere
) -> Response:
    """A challenge for a new passkey."""
    return _options(await passkeys.options_to_add(person, browser.form_token(request)[1]))


@router.post("/account/passkeys")
async def add(
    request: Request,
    person: Person,
    _: OurForm,
    page: PageHere,
    browser: BrowserHere,
    passkeys: PasskeysHere,
    credential: Credential = "",
    passkey_name: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Keep a new passkey."""
    name = _name(passkey_name)
    if name is None:
        return await page.render(request, person, errors={"passkey_name": NAME_MISSING}, status=422)
    try:
        await passkeys.add(person, browser.form_token(request)[1], name, credential)
    except SignInAgain:
        return await page.render(request, person, errors={"passkeys": SIGN_IN_AGAIN}, status=403)
    except PasskeyRefused:
        return await page.render(request, person, errors={"passkeys": REFUSED}, status=422)
    return to_account("passkey-added")


@router.post("/account/passkeys/name")
async def rename(
    request: Request,
    person: Person,
    _: OurForm,
    page: PageHere,
    passkeys: PasskeysHere,
    passkey: CredentialId,
    new_name: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Give a passkey another name."""
    name = _name(new_name)
    if name is None:
        return await page.render(request, person, errors={"passkeys": NAME_MISSING}, status=422)
    await _if_there(passkeys.rename(person.account.subject, passkey, name))
    return to_account("passkey-named")


@router.post("/account/passkeys/remove")
async def remove(
    request: Request, person: Person, _: OurForm, page: PageHere, passkeys: PasskeysHere, passkey: CredentialId
) -> Response:
    """Remove a passkey."""
    try:
        await _if_there(passkeys.remove(person, passkey))
    except SignInAgain:
        return await page.render(request, person, errors={"passkeys": SIGN_IN_AGAIN}, status=403)
    return to_account("passkey-removed")


async def _if_there(change: Awaitable[None]) -> None:
    # Removed in another browser meanwhile: the page shows what there is.
    with suppress(NotFound):
        await change


def _name(text: str) -> str | None:
    name = " ".join(text.split())
    return name if name and len(name) <= LONGEST_NAME and name.isprintable() else None


def _options(options: dict[str, Any]) -> Response:
    return JSONResponse(options, headers=NO_STORE)
