"""The HTTP side: OTLP intake, JSON API and pages, for this machine only."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cme_local.ops import access as signing_in
from cme_local.ops import intake, mail_pages, trace_api, trace_pages
from cme_local.ops.access import Access, Guard
from cme_local.ops.logs import Logs
from cme_local.ops.mailbox import Mailbox
from cme_local.ops.pages import asset_routes
from cme_local.ops.store import TraceStore


def operations_app(store: TraceStore, mailbox: Mailbox, logs: Logs, access: Access, mail_port: int) -> Starlette:
    """Compose the application. It answers under loopback names only, which keeps rebound DNS names of web pages out."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def home(request: Request) -> Response:
        return RedirectResponse("/mail" if request.url.port == mail_port else "/traces")

    return Starlette(
        routes=[
            Route("/", home),
            Route("/health/live", live),
            *signing_in.routes(access),
            *intake.routes(store),
            *trace_api.routes(store),
            *trace_pages.routes(store, logs),
            *mail_pages.routes(mailbox),
            *asset_routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
            Middleware(Guard, access=access),
        ],
    )
