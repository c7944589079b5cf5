"""Rendering a template with the common layout and the headers that every page carries."""

from __future__ import annotations

from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from cme_kit.pages import language
from cme_kit.schemas import LANGUAGES

ASSETS = Path(str(files("cme_kit.pages") / "assets"))
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


class Pages:
    """The pages of one package: its `templates/` and `locales/`, in front of the kit's."""

    def __init__(self, package: str) -> None:
        self._packages = ("cme_kit.pages", package)
        self._environment = cache(self._make_environment)

    def _make_environment(self, code: str) -> Environment:
        environment = Environment(
            loader=ChoiceLoader([PackageLoader(package) for package in reversed(self._packages)]),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.install_gettext_translations(  # type: ignore[attr-defined]  # added by the i18n extension
            language.translations(code, self._packages), newstyle=True
        )
        for name in ("localised", "language_of", "day", "moment", "month", "number", "country_name", "language_name"):
            environment.filters[name] = partial(_in_language, getattr(language, name), code)
        environment.globals.update(language=code, language_names=language.LANGUAGE_NAMES)
        return environment

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        form_targets: str = "'self'",
        **context: Any,
    ) -> Response:
        """A page in the caller's language.

        `form_targets` widens the policy's `form-action` where a form's answer redirects elsewhere. A language chosen
        by `?lang=` is remembered in a cookie.
        """
        code = language.choose_language(request)
        query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
        links = {other: "?" + urlencode([*query, ("lang", other)]) for other in LANGUAGES}
        text = (
            self._environment(code)
            .get_template(template)
            .render(
                request_path=request.url.path, root=request.scope.get("root_path", ""), language_links=links, **context
            )
        )
        response = HTMLResponse(text, status)
        response.headers["Content-Security-Policy"] = POLICY.replace(
            "form-action 'self'", f"form-action {form_targets}"
        )
        response.headers["Content-Language"] = code
        response.headers["Vary"] = "Accept, Accept-Language, Cookie"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-cache"
        response.headers.update(headers or {})
        if request.query_params.get("lang") == code:
            secure = request.url.scheme == "https"
            response.set_cookie(language.LANGUAGE_COOKIE, code, max_age=31_536_000, samesite="lax", secure=secure)
        return response


def _in_language(function: Any, code: str, value: Any) -> Any:
    return function(value, code)
