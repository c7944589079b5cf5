"""What the pages share: templates, the design system's files, their headers, and problem documents for tools."""

from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

MOST_FORM_BYTES = 16 * 1024

#: The hues that the stylesheet has; a service without one of its own borrows a free one.
HUES = {
    "enrolment": "svc-enrolment",
    "curriculum": "svc-webhooks",
    "assessment": "svc-assessment",
    "credentials": "svc-credentials",
    "outreach": "svc-outreach",
}

_TEMPLATES = Environment(
    loader=PackageLoader("cme_local.ops"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, status: int = 200, **context: Any) -> Response:
    """Render a page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(**context), status, HEADERS)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; one that is longer than any of ours is as good as an empty one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def problem(status: int, code: str, detail: str) -> Response:
    """A problem document (RFC 9457)."""
    document = {
        "type": f"urn:cme:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(document, status, media_type="application/problem+json")


def asset_routes() -> list[BaseRoute]:
    """The stylesheet and script of the design system, as the kit ships them."""
    return [Mount("/assets", StaticFiles(directory=str(files("cme_kit") / "pages" / "assets")))]
