"""The common frame of a service: platform (database, outbox, bus), health, figures, problems, telemetry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from cme_kit import consumers, http, outbox
from cme_kit.auth import Principal, Public, Requires, TokenVerifier, keys_at
from cme_kit.clock import Clock, SystemClock
from cme_kit.consumers import Consumers, Subscription
from cme_kit.mongo import Database, Index, PyMongoError
from cme_kit.outbox import Outbox, Relay
from cme_kit.problems import Problem, Unavailable, install_problem_handlers
from cme_kit.settings import DeployableSettings, ServiceSettings
from cme_kit.streams import DEAD_LETTERS, connect, owned_streams, provision_streams
from cme_kit.strict_json import StrictRoute
from cme_kit.telemetry import configure_logging, start_tracing, trace_requests

log = structlog.get_logger(__name__)


@dataclass
class Platform:
    """What a running service stands on."""

    service: str
    database: Database
    outbox: Outbox
    clock: Clock
    nats: Client
    jetstream: JetStreamContext
    consumers: Consumers | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def run(self, name: str, work: Callable[[], Any]) -> None:
        """Run `work` beside the requests until the service stops; its failure stops the service loudly."""
        task = asyncio.create_task(work(), name=name)
        task.add_done_callback(_stop_loudly)
        self._tasks.append(task)

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do `work` again and again beside the requests; an engine that is away only delays it."""

        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                    log.warning("will try again", task=name, error=type(error).__name__)

        self.run(name, repeat)

    async def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Start publishing, and consuming what the service subscribes to."""
        await provision_streams(self.jetstream, owned_streams(self.service))
        self.run("relay", Relay(self.database, self.outbox, self.jetstream, self.clock).run)
        self.consumers = Consumers(self.service, self.database, self.outbox, self.jetstream, self.clock, subscriptions)
        for stream in self.consumers.streams:
            self.run(f"consume {stream}", partial(self.consumers.consume, stream))

    async def stop(self) -> None:
        """Stop the tasks, then close the connections."""
        running = set(self._tasks)
        while running:
            # Again and again: on Python 3.11 `wait_for`, which nats-py uses, can swallow a cancellation.
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.5)
        await self.nats.close()
        await self.database.close()


def _stop_loudly(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a task of the service failed; stopping", task=task.get_name(), exc_info=error)
        raise SystemExit(1)


@asynccontextmanager
async def open_platform(service: str, settings: ServiceSettings, indexes: Sequence[Index]) -> AsyncIterator[Platform]:
    """Connect to the engines, waiting for them as long as it takes, and make sure of the indexes."""
    clock = SystemClock()
    database = Database.connect(settings.mongo_url.get_secret_value(), service, settings.mongo_driver)
    client = await connect(service, settings)
    platform = Platform(service, database, Outbox(database, clock), clock, client, client.jetstream(timeout=5))
    try:
        await prepare_database(database, [*outbox.INDEXES, *consumers.INDEXES, *http.INDEXES, *indexes])
        yield platform
    finally:
        await platform.stop()


async def prepare_database(database: Database, indexes: Sequence[Index]) -> None:
    """Make sure of the indexes, waiting for the database as long as it takes."""
    while True:
        try:
            return await database.ensure_indexes(indexes)
        except PyMongoError as error:
            log.warning("database is not there yet", error=type(error).__name__)
            await asyncio.sleep(0.3)


class Health(BaseModel):
    """What a load balancer wants to know."""

    status: str = Field(description="ok or failing")
    checks: dict[str, str] = Field(default_factory=dict, description="Each check: ok, or why not")


class Figures(BaseModel):
    """Counts of the event platform as this service sees it."""

    service: str
    events_published: int = Field(description="Events in the stream, acknowledged by the broker")
    events_pending: int = Field(description="Events committed and not yet in the stream")
    events_applied: int = Field(description="Events of other services whose effect is committed here")
    dead_letters: int = Field(description="Messages this service could not apply")


async def _check(platform: Platform) -> dict[str, str]:
    checks: dict[str, str] = {}
    try:
        await platform.database.probe()
        checks["database"] = "ok"
    except PyMongoError as error:
        checks["database"] = type(error).__name__
    try:
        await platform.nats.flush(timeout=2)
        checks["broker"] = "ok"
    except (NatsError, OSError, TimeoutError) as error:
        checks["broker"] = type(error).__name__
    attached = platform.consumers is not None and platform.consumers.attached
    checks["consumers"] = "ok" if attached else "waiting for their streams"
    return checks


def service_router(tag: str, prefix: str = "") -> APIRouter:
    """A feature's router: strict JSON bodies, one tag."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)


def _operations(service: str) -> APIRouter:
    router = service_router("operations")

    @router.get("/health/live", include_in_schema=False)
    async def live(_: Annotated[None, Public()]) -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @router.get("/health/ready", include_in_schema=False)
    async def ready(request: Request, response: Response, _: Annotated[None, Public()]) -> Health:
        """Whether requests can be served: a real write and read, the broker, every consumer."""
        checks = await _check(request.app.state.platform)
        failing = any(result != "ok" for result in checks.values())
        response.status_code = 503 if failing else 200
        return Health(status="failing" if failing else "ok", checks=checks)

    @router.get(f"/{service}/v1/operations/figures", summary="Counts of the event platform")
    async def figures(request: Request, _: Annotated[Principal, Requires("operations:read")]) -> Figures:
        """Published, pending and applied events, and dead letters, of this service."""
        platform: Platform = request.app.state.platform
        rows = platform.database.collection(outbox.OUTBOX)
        subject = f"cme.dlq.{service}.>"
        try:
            dead = await platform.jetstream.stream_info(DEAD_LETTERS, subjects_filter=subject)
        except (NatsError, TimeoutError) as error:
            raise Unavailable("The broker does not answer; try again in a moment.") from error
        # In one command: between two, a row could move from one count to the other.
        counts = {
            c["_id"]: int(c["n"]) for c in await rows.aggregate([{"$group": {"_id": "$published", "n": {"$sum": 1}}}])
        }
        return Figures(
            service=service,
            events_published=counts.get(True, 0),
            events_pending=counts.get(False, 0),
            events_applied=await platform.database.collection(consumers.INBOX).count({}),
            dead_letters=sum((dead.state.subjects or {}).values()),
        )

    return router


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
    provider = start_tracing(service, settings)

    @asynccontextmanager
    async def with_verifier(app: FastAPI) -> AsyncIterator[None]:
        app.state.verifier = TokenVerifier(settings.public_url, keys_at(settings.jwks_url))
        async with lifespan(app):
            yield
        if provider is not None:
            provider.shutdown()

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
    for router in (*routers, _operations(service)):
        app.include_router(router)
    trace_requests(app)
    return app


def provide(app: FastAPI, platform: Platform, services: Mapping[type, object]) -> None:
    """Hand the platform and the built services to the handlers (`Provided(Kind)`)."""
    app.state.platform = platform
    app.state.provided = dict(services)


def serve(app: ASGIApp, settings: DeployableSettings, *, behind_gateway: bool = True) -> None:
    """Serve until SIGTERM, then finish the running requests.

    Only what stands behind the gateway believes `X-Forwarded-*` of the loopback address.
    """
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=behind_gateway,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=16_384,
    )
