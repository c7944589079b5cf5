"""What the pages share: templates, the design system's files, and their security headers."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_TEMPLATES = Environment(
    loader=PackageLoader("cme_local.ops"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def page(template: str, status: int = 200, **context: Any) -> Response:
    """Render a page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(**context), status, HEADERS)


def asset_routes() -> list[BaseRoute]:
    """The stylesheet and script of the design system."""
    return []
