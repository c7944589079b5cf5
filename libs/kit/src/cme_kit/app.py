"""The common frame of a service: its app with problems, operations, telemetry, and how it is served."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Literal

import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from cme_kit.auth import TokenVerifier
from cme_kit.dead_letters_api import dead_letters_router
from cme_kit.deadlines import Deadlines
from cme_kit.issuer_keys import keys_at
from cme_kit.methods import Heads
from cme_kit.metrics import RequestFigures
from cme_kit.operations import figures_router, operations_router
from cme_kit.platform import Platform
from cme_kit.problems import Problem, install_problem_handlers
from cme_kit.rebuilding_api import rebuilding_router
from cme_kit.settings import DeployableSettings, ServiceSettings
from cme_kit.telemetry import configure_logging, start_tracing, trace_requests


class RootPath:
    """ASGI middleware: the API is reached below a path that the gateway strips (ASGI HTTP scope, `root_path`)."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the path as the caller asked for it, so that links lead there."""
        if scope["type"] == "http":
            raw = self._root.encode() + scope.get("raw_path", scope["path"].encode())
            scope = {**scope, "root_path": self._root, "path": self._root + scope["path"], "raw_path": raw}
        await self._app(scope, receive, send)


def create_service_app(
    service: str,
    title: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app of a service: its routers with strict JSON, problems, health, figures and telemetry.

    `lifespan` opens the platform, builds the services and calls `provide`.
    """
    configure_logging(service, settings.log_format)
    tracing = start_tracing(service, settings)

    @asynccontextmanager
    async def with_verifier(app: FastAPI) -> AsyncIterator[None]:
        app.state.verifier = TokenVerifier(settings.issuer, settings.public_url, keys_at(settings.jwks_url))
        async with lifespan(app):
            yield
        if tracing is not None:
            tracing.shutdown()

    app = FastAPI(
        title=title,
        version="1",
        lifespan=with_verifier,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={"4XX": {"model": Problem, "description": "What to change"}},
    )
    install_problem_handlers(app)
    for router in (
        *routers,
        operations_router(),
        figures_router(service),
        dead_letters_router(service),
        rebuilding_router(service),
    ):
        app.include_router(router)
    app.add_middleware(Heads)
    app.add_middleware(Deadlines)
    app.add_middleware(RequestFigures)
    trace_requests(app)
    if settings.root_path:
        app.add_middleware(RootPath, settings.root_path)
    return app


def provide(app: FastAPI, platform: Platform, services: Mapping[type, object]) -> None:
    """Hand the platform and the built services to the handlers (`Provided(Kind)`)."""
    app.state.platform = platform
    app.state.provided = dict(services)


#: How long the event loop waits for a thread that computes, such as the one that encodes spans; with Python's 5 ms a
#: hundredth of all wake-ups came 5.2 ms late, with this 1.3 ms.
SWITCH_SECONDS = 0.001


class _Server(uvicorn.Server):
    """Serves an app whose parts live as long as the process does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and take all that was built out of the collector's sight: to look through it took 90 ms each time."""
        await super().startup(sockets)
        gc.freeze()


def serve(
    app: ASGIApp,
    settings: DeployableSettings,
    *,
    behind_gateway: bool = True,
    protocol: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
) -> None:
    """Serve until SIGTERM, then finish the running requests. `protocol` is how HTTP comes in.

    Only what stands behind the gateway believes `X-Forwarded-*` of the loopback address.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=behind_gateway,
        timeout_graceful_shutdown=10,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    with suppress(KeyboardInterrupt):
        _Server(config).run()
