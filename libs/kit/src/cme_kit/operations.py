"""What operators and probes ask of every service: health, figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from nats.errors import Error as NatsError
from pydantic import BaseModel, Field

from cme_kit import inbox, metrics, observation, outbox
from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import service_router
from cme_kit.mongo import PyMongoError
from cme_kit.observation import Observation, Observed
from cme_kit.platform import Platform
from cme_kit.problems import Unavailable
from cme_kit.streams import dead_letters_of


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


def operations_router() -> APIRouter:
    """Health and `/metrics` of a service."""
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

    @router.get("/metrics", include_in_schema=False)
    async def figures_for_prometheus(request: Request, _: Annotated[None, Public()]) -> Response:
        """Every figure of this process, for a scraper beside it; the gateway does not route here."""
        await observation.set_gauges(request.app.state.platform)
        body, media_type = metrics.exposition()
        return Response(body, media_type=media_type)

    return router


def figures_router(service: str) -> APIRouter:
    """The figures of the event platform, as a service or the gateway sees it."""
    router = service_router("operations")

    @router.get(f"/{service}/v1/operations/figures", summary="Counts of the event platform")
    async def figures(request: Request, _: Annotated[Principal, Requires("operations:read")]) -> Figures:
        """Published, pending and applied events, and dead letters, of this service."""
        platform: Observed = request.app.state.platform
        rows = platform.database.collection(outbox.OUTBOX)
        try:
            dead = await platform.jetstream.stream_info(dead_letters_of(service))
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
            events_applied=await platform.database.collection(inbox.INBOX).count({}),
            dead_letters=dead.state.messages,
        )

    @router.get(f"/{service}/v1/operations/consumers", summary="How far this service is behind")
    async def behind(request: Request, _: Annotated[Principal, Requires("operations:read")]) -> Observation:
        """Lag of each stream that it consumes, its outbox and its dead letters, asked of the engines just now."""
        try:
            return await observation.observe(request.app.state.platform)
        except (NatsError, PyMongoError, OSError, TimeoutError) as error:
            raise Unavailable("An engine does not answer; try again in a moment.") from error

    return router
