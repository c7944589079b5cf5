"""What a browser carries: the session cookie, and form tokens bound to a cookie."""

from __future__ import annotations

import secrets

from cme_kit.pages.language import LANGUAGE_COOKIE
from cme_kit.problems import Forbidden
from fastapi import Request, Response

from gateway.accounts.domain import Visit, visit_of
from gateway.peppered import Pepper


class ForgedForm(Forbidden):
    """A form that no page of ours was sent with (OWASP ASVS 5.0, 3.5.1)."""

    code = "forged_form"


def visit(request: Request) -> Visit:
    """Which browser this is and where it is."""
    return visit_of(request.headers.get("user-agent", ""), request.client.host if request.client else "")


class Browser:
    """Cookies and form tokens of the login and consent pages."""

    def __init__(self, pepper: Pepper, public_url: str) -> None:
        self._pepper = pepper
        self._secure = public_url.startswith("https://")
        # __Host- binds a cookie to this host, and browsers accept that prefix over https only.
        self._prefix = "__Host-cme_" if self._secure else "cme_"
        self.session_cookie = f"{self._prefix}session"
        self._form_cookie = f"{self._prefix}form"

    def session(self, request: Request) -> str | None:
        """The session cookie's value."""
        return request.cookies.get(self.session_cookie)

    def begin_session(self, response: Response, cookie: str) -> None:
        """Give the browser its session."""
        self._set(response, self.session_cookie, cookie)

    def end_session(self, response: Response) -> None:
        """Take the session away."""
        self._take(response, self.session_cookie)

    def form_token(self, request: Request) -> tuple[str, str]:
        """The token for a form of this browser, and the cookie that it is bound to (made when it has none)."""
        cookie = self.session(request) or request.cookies.get(self._form_cookie) or secrets.token_urlsafe(24)
        return self._pepper.derive("form", cookie), cookie

    def keep_form_cookie(self, request: Request, response: Response, cookie: str) -> None:
        """Give the browser the cookie of its form token, unless it has it."""
        if cookie not in (self.session(request), request.cookies.get(self._form_cookie)):
            self._set(response, self._form_cookie, cookie)

    def check_form(self, request: Request, token: str) -> None:
        """Raises ForgedForm unless the token is this browser's."""
        cookies = (self.session(request), request.cookies.get(self._form_cookie))
        if not any(cookie and self._pepper.matches(token, "form", cookie) for cookie in cookies):
            raise ForgedForm("This form is too old or not ours. Open the page again. Nothing was changed.")

    def keep_language(self, response: Response, language: str) -> None:
        """Show pages in this language from now on."""
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="lax", secure=self._secure)

    def keep(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Give the browser something to bring back within a while."""
        self._set(response, self._prefix + name, value, seconds)

    def kept(self, request: Request, name: str) -> str | None:
        """What the browser was given to keep."""
        return request.cookies.get(self._prefix + name)

    def let_go(self, response: Response, name: str) -> None:
        """Take back what the browser was given."""
        self._take(response, self._prefix + name)

    def _set(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _take(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")
