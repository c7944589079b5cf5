"""The sign-in page with every way to sign in."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from cme_kit.pages import Pages
from fastapi import Request, Response

from gateway.accounts.browser import Browser
from gateway.accounts.returning import login_hint, safe_return


class LoginPage:
    """Renders the page."""

    def __init__(self, pages: Pages, browser: Browser, *, passkeys: bool, providers: Mapping[str, str]) -> None:
        self._pages = pages
        self._browser = browser
        self._passkeys = passkeys
        self._providers = providers

    def render(
        self,
        request: Request,
        return_to: str,
        username: str = "",
        error: str = "",
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """The page, with an error summary when something was wrong."""
        target = safe_return(return_to)
        token, cookie = self._browser.form_token(request)
        response = self._pages.render(
            request,
            "login.html",
            status=status,
            headers={"Cache-Control": "no-store", **(headers or {})},
            csrf_token=token,
            return_to=target,
            username=username or login_hint(target),
            error=error,
            done=request.query_params.get("done", ""),
            passkeys=self._passkeys,
            providers=self._providers,
            query=urlencode({"return_to": target}),
        )
        self._browser.keep_form_cookie(request, response, cookie)
        return response
