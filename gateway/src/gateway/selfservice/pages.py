"""`/account`: what a signed-in person changes."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from cme_kit.http import Provided
from cme_kit.pages import gettext_noop
from cme_kit.problems import retry_after_seconds
from cme_kit.schemas import LanguageCode
from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.password_rules import Weakness
from gateway.accounts.people import Everybody, OurForm, Person
from gateway.accounts.profiles import Profiles
from gateway.accounts.service import SignedIn, Throttled
from gateway.accounts.sessions import Sessions
from gateway.oauth.consents import Consents
from gateway.selfservice.account_page import AccountPage

router = APIRouter(include_in_schema=False)
PageHere = Annotated[AccountPage, Provided(AccountPage)]
BrowserHere = Annotated[Browser, Provided(Browser)]
SessionsHere = Annotated[Sessions, Provided(Sessions)]

WEAK = {
    Weakness.SHORT: gettext_noop("Choose a password of at least 8 characters."),
    Weakness.LONG: gettext_noop("Choose a password of at most 256 characters."),
    Weakness.COMMON: gettext_noop("Many people use this password, so it is tried first. Choose another one."),
    Weakness.OBVIOUS: gettext_noop("This password is made of your name, your address or our name. Choose another one."),
}
NAME_MISSING = gettext_noop("Enter the name by which we may address you.")
NAME_LONG = gettext_noop("Enter a name of at most 200 characters.")
PASSWORD_WRONG = gettext_noop("This is not your password of today. Nothing was changed.")
PASSWORD_THROTTLED = gettext_noop("Too many wrong passwords. Wait a little, then try again. Nothing was changed.")
SIGN_IN_AGAIN = gettext_noop("Sign in again before you change how you sign in. Nothing was changed.")
LONGEST_NAME = 200


def account_url(done: str) -> str:
    """The account page that says what was done."""
    return f"/account?{urlencode({'done': done})}"


def to_account(done: str) -> Response:
    """Back to the account page after a change."""
    return RedirectResponse(account_url(done), 303, {"Cache-Control": "no-store"})


@router.get("/account")
async def account(request: Request, person: Person, page: PageHere) -> Response:
    """The account page."""
    return await page.render(request, person)


@router.get("/account/{_part:path}")
async def part(request: Request, _: Everybody, _part: Annotated[str, Path(max_length=100)]) -> Response:
    """The address of a form, opened: the language links of a page that came back with errors lead here."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/account{query}", 303, {"Cache-Control": "no-store"})


@router.post("/account/profile")
async def save_profile(
    request: Request,
    person: Person,
    _: OurForm,
    page: PageHere,
    browser: BrowserHere,
    profiles: Annotated[Profiles, Provided(Profiles)],
    language: Annotated[LanguageCode, Form()],
    display_name: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Change name and language."""
    name = " ".join(display_name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        errors = {"display_name": NAME_LONG if len(name) > LONGEST_NAME else NAME_MISSING}
        typed = {"display_name": display_name, "language": language}
        return await page.render(request, person, errors=errors, typed=typed, status=422)
    await profiles.describe(person, name, language)
    response = to_account("profile")
    browser.keep_language(response, language)
    return response


@router.post("/account/password")
async def change_password(
    request: Request,
    person: Person,
    _: OurForm,
    page: PageHere,
    browser: BrowserHere,
    profiles: Annotated[Profiles, Provided(Profiles)],
    current_password: Annotated[str, Form(max_length=2000)] = "",
    new_password: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Change the password; every other browser is signed out."""
    result = await profiles.change_password(person, current_password, new_password, visit(request))
    if isinstance(result, SignedIn):
        response = to_account("password")
        browser.begin_session(response, result.cookie)
        return response
    if isinstance(result, Throttled):
        wait = {"Retry-After": retry_after_seconds(result.seconds)}
        errors = {"current_password": PASSWORD_THROTTLED}
        return await page.render(request, person, errors=errors, status=429, headers=wait)
    errors = {"current_password": PASSWORD_WRONG} if result is None else {"new_password": WEAK[result]}
    return await page.render(request, person, errors=errors, status=422)


@router.post("/account/sessions")
async def end_session(
    person: Person,
    _: OurForm,
    browser: BrowserHere,
    sessions: SessionsHere,
    session: Annotated[str, Form(max_length=100)],
) -> Response:
    """Sign one browser out; this one goes to the sign-in page."""
    await sessions.end(person.account.subject, session)
    response = to_account("session")
    if session == person.session.key:
        browser.end_session(response)
    return response


@router.post("/account/other-sessions")
async def end_other_sessions(person: Person, _: OurForm, sessions: SessionsHere) -> Response:
    """Sign every other browser out (OWASP ASVS 5.0, 7.5.2)."""
    await sessions.end_all(person.account.subject, except_key=person.session.key)
    return to_account("sessions")


@router.post("/account/consents")
async def withdraw_consent(
    person: Person,
    _: OurForm,
    consents: Annotated[Consents, Provided(Consents)],
    client: Annotated[str, Form(max_length=200)],
) -> Response:
    """Withdraw what an application was allowed."""
    await consents.withdraw(person.account.subject, client)
    return to_account("consent")
