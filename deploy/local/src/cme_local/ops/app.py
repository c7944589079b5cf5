"""The HTTP side: OTLP intake, JSON API and pages, for this machine only."""

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from cme_local.ops import access as signing_in
from cme_local.ops import dead_letters, events_page, flow_pages, intake, live, mail_pages, trace_api, trace_pages
from cme_local.ops.access import Access, Guard
from cme_local.ops.bus_figures import Bus
from cme_local.ops.letter_desk import Opening
from cme_local.ops.live import Live
from cme_local.ops.logs import Logs
from cme_local.ops.mailbox import Mailbox
from cme_local.ops.pages import asset_routes
from cme_local.ops.store import TraceStore


@dataclass(frozen=True)
class Shown:
    """What the pages show: what is kept here, and whom they ask."""

    store: TraceStore
    mailbox: Mailbox
    logs: Logs
    bus: Bus
    letters: Opening


def operations_app(shown: Shown, access: Access, live_news: Live, mail_port: int) -> Starlette:
    """Compose the application. It answers under loopback names only, which keeps rebound DNS names of web pages out."""

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def home(request: Request) -> Response:
        return RedirectResponse("/mail" if request.url.port == mail_port else "/traces")

    return Starlette(
        routes=[
            Route("/", home),
            Route("/health/live", alive),
            *signing_in.routes(access),
            *intake.routes(shown.store),
            *trace_api.routes(shown.store),
            *trace_pages.routes(shown.store, shown.logs),
            *flow_pages.routes(shown.store),
            *events_page.routes(shown.bus),
            *dead_letters.routes(shown.letters, access),
            *live.routes(live_news),
            *mail_pages.routes(shown.mailbox),
            *asset_routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
            Middleware(Guard, access=access),
        ],
    )
