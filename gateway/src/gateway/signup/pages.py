"""`/signup` and `/password`: making an account, and setting a forgotten password."""

from __future__ import annotations

from typing import Annotated, Any

from cme_kit.http import Provided
from cme_kit.pages import Pages, choose_language, gettext_noop
from cme_kit.problems import retry_after_seconds
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from gateway.accounts.browser import Browser, visit
from gateway.accounts.people import Everybody, OurForm
from gateway.accounts.returning import PORTAL, login_url, safe_return
from gateway.accounts.service import Throttled
from gateway.selfservice.pages import WEAK
from gateway.signup.domain import ADDRESS_WRONG, Application, mistakes
from gateway.signup.service import LinkGone, SignUps, Taken

router = APIRouter(include_in_schema=False)
BrowserHere = Annotated[Browser, Provided(Browser)]
PagesHere = Annotated[Pages, Provided(Pages)]
SignUpsHere = Annotated[SignUps, Provided(SignUps)]
LinkInQuery = Annotated[str, Query(max_length=200)]
LinkInForm = Annotated[str, Form(max_length=200)]
Typed = Annotated[str, Form(max_length=2000)]
NO_STORE = {"Cache-Control": "no-store"}

TOO_MANY = gettext_noop("Too many mails were asked for. Wait, then try again; nothing was sent this time.")
PASSWORD_WRONG = gettext_noop("This is not the password that you chose when you signed up. Try again.")
PASSWORD_THROTTLED = gettext_noop("Too many wrong passwords. Sign up once more tomorrow, or wait.")


class Forms:
    """Renders a page with a form bound to its browser."""

    def __init__(self, pages: Pages, browser: Browser) -> None:
        self._pages = pages
        self._browser = browser

    def render(
        self,
        request: Request,
        template: str,
        errors: dict[str, str] | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """The page; `errors` are texts by the id of their field."""
        token, cookie = self._browser.form_token(request)
        response = self._pages.render(
            request,
            template,
            status=status,
            headers={**NO_STORE, **(headers or {})},
            csrf_token=token,
            errors=errors or {},
            **context,
        )
        self._browser.keep_form_cookie(request, response, cookie)
        return response

    def gone(self, request: Request, again: str) -> Response:
        """A link that leads nowhere any more, and where to get another one."""
        return self.render(request, "link_gone.html", status=410, again=again)


FormsHere = Annotated[Forms, Provided(Forms)]


@router.get("/signup")
async def show_sign_up(
    request: Request, _: Everybody, forms: FormsHere, return_to: Annotated[str, Query(max_length=8000)] = PORTAL
) -> Response:
    """The sign-up form."""
    typed = Application("", "", "", choose_language(request), "")
    return forms.render(request, "signup.html", typed=typed, return_to=safe_return(return_to))


@router.post("/signup")
async def sign_up(
    request: Request,
    _: Everybody,
    __: OurForm,
    forms: FormsHere,
    sign_ups: SignUpsHere,
    display_name: Typed = "",
    email: Typed = "",
    organisation_name: Typed = "",
    language: Annotated[str, Form(max_length=10)] = "",
    new_password: Typed = "",
    return_to: Annotated[str, Form(max_length=8000)] = PORTAL,
) -> Response:
    """Write to the address, and say so whether or not it has an account."""
    typed = Application(display_name, email, organisation_name, language, new_password)
    target = safe_return(return_to)
    if errors := mistakes(typed):
        return forms.render(request, "signup.html", errors, 422, typed=typed, return_to=target)
    if throttled := await sign_ups.begin(typed, target, visit(request)):
        wait = {"Retry-After": retry_after_seconds(throttled.seconds)}
        return forms.render(request, "signup.html", {"email": TOO_MANY}, 429, wait, typed=typed, return_to=target)
    return RedirectResponse("/signup/sent", 303, NO_STORE)


@router.get("/signup/sent")
async def sign_up_sent(request: Request, _: Everybody, forms: FormsHere) -> Response:
    """Look into your mailbox."""
    return forms.render(request, "mail_sent.html", for_password=False)


@router.get("/signup/confirm")
async def show_confirmation(
    request: Request, _: Everybody, forms: FormsHere, sign_ups: SignUpsHere, link: LinkInQuery = ""
) -> Response:
    """The page behind a mailed link. It does nothing by itself: mail scanners open links as well."""
    try:
        sign_up = await sign_ups.waiting(link)
    except LinkGone:
        return forms.gone(request, "/signup")
    return forms.render(request, "signup_confirm.html", link=link, username=sign_up.username)


@router.post("/signup/confirm")
async def confirm(
    request: Request,
    _: Everybody,
    __: OurForm,
    forms: FormsHere,
    browser: BrowserHere,
    sign_ups: SignUpsHere,
    link: LinkInForm = "",
    password: Typed = "",
) -> Response:
    """Make the account, sign in, and go on to where the person came from."""
    try:
        sign_up = await sign_ups.waiting(link)
        result = await sign_ups.confirm(link, password, visit(request), browser.session(request))
    except LinkGone:
        return forms.gone(request, "/signup")
    except Taken:
        return RedirectResponse(login_url(PORTAL), 303, NO_STORE)
    again: dict[str, Any] = {"link": link, "username": sign_up.username}
    if isinstance(result, Throttled):
        wait = {"Retry-After": retry_after_seconds(result.seconds)}
        return forms.render(request, "signup_confirm.html", {"password": PASSWORD_THROTTLED}, 429, wait, **again)
    if result is None:
        return forms.render(request, "signup_confirm.html", {"password": PASSWORD_WRONG}, 403, **again)
    response = RedirectResponse(safe_return(sign_up.return_to), 303, NO_STORE)
    browser.begin_session(response, result.cookie)
    browser.keep_language(response, sign_up.language)
    return response


@router.get("/password")
async def show_forgotten(request: Request, _: Everybody, forms: FormsHere) -> Response:
    """The form of somebody who does not know the password."""
    return forms.render(request, "password.html", typed="")


@router.post("/password")
async def ask_for_reset(
    request: Request, _: Everybody, __: OurForm, forms: FormsHere, sign_ups: SignUpsHere, email: Typed = ""
) -> Response:
    """Write to the address if it has an account, and say the same if it has none."""
    if not email.strip():
        return forms.render(request, "password.html", {"email": ADDRESS_WRONG}, 422, typed=email)
    if throttled := await sign_ups.ask_for_reset(email, choose_language(request), visit(request)):
        wait = {"Retry-After": retry_after_seconds(throttled.seconds)}
        return forms.render(request, "password.html", {"email": TOO_MANY}, 429, wait, typed=email)
    return RedirectResponse("/password/sent", 303, NO_STORE)


@router.get("/password/sent")
async def reset_sent(request: Request, _: Everybody, forms: FormsHere) -> Response:
    """Look into your mailbox."""
    return forms.render(request, "mail_sent.html", for_password=True)


@router.get("/password/new")
async def show_new_password(
    request: Request, _: Everybody, forms: FormsHere, sign_ups: SignUpsHere, link: LinkInQuery = ""
) -> Response:
    """The page behind a mailed link."""
    try:
        _reset, account = await sign_ups.resetting(link)
    except LinkGone:
        return forms.gone(request, "/password")
    return forms.render(request, "password_new.html", link=link, username=account.username)


@router.post("/password/new")
async def set_new_password(
    request: Request,
    _: Everybody,
    __: OurForm,
    forms: FormsHere,
    sign_ups: SignUpsHere,
    link: LinkInForm = "",
    new_password: Typed = "",
) -> Response:
    """Set the password; whoever was signed in is signed out."""
    try:
        _reset, account = await sign_ups.resetting(link)
        weakness = await sign_ups.reset(link, new_password)
    except LinkGone:
        return forms.gone(request, "/password")
    if weakness:
        errors = {"new_password": WEAK[weakness]}
        return forms.render(request, "password_new.html", errors, 422, link=link, username=account.username)
    return RedirectResponse("/login?done=password", 303, NO_STORE)
