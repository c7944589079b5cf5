"""Health of this process and of the whole, and the figures of this process."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Annotated

import aiohttp
from cme_kit import metrics, observation
from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import Provided
from cme_kit.mongo import Database, PyMongoError
from cme_kit.operations import Health
from fastapi import APIRouter, Request, Response

#: An answer is given again for so long: health is asked by many, and asks five services.
CACHED_SECONDS = 1.0
PROBE_SECONDS = 3.0

router = APIRouter(include_in_schema=False)
Everybody = Annotated[None, Public()]


class Overview:
    """Asks every service whether it is ready."""

    def __init__(self, upstreams: dict[str, str], client: aiohttp.ClientSession, database: Database) -> None:
        self._upstreams = upstreams
        self._client = client
        self._database = database
        self._asking = asyncio.Lock()
        self._answer: dict[str, str] = {}
        self._answered_at = float("-inf")

    async def checks(self) -> dict[str, str]:
        """Each service and the gateway's database: ok, or why not."""
        async with self._asking:
            if time.monotonic() - self._answered_at > CACHED_SECONDS:
                names = list(self._upstreams)
                results = await asyncio.gather(*(self._service(self._upstreams[name]) for name in names))
                self._answer = {**dict(zip(names, results, strict=True)), "gateway": await self.database()}
                self._answered_at = time.monotonic()
            return self._answer

    async def database(self) -> str:
        """Whether the gateway's own database takes a write and gives it back."""
        try:
            await self._database.probe()
        except PyMongoError as error:
            return type(error).__name__
        return "ok"

    async def _service(self, url: str) -> str:
        try:
            timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
            async with self._client.get(f"{url}/health/ready", timeout=timeout) as answer:
                return "ok" if answer.status == HTTPStatus.OK else "not ready"
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__


def _health(checks: dict[str, str], response: Response) -> Health:
    failing = any(result != "ok" for result in checks.values())
    response.status_code = 503 if failing else 200
    response.headers["Cache-Control"] = "no-store"
    return Health(status="failing" if failing else "ok", checks=checks)


@router.get("/health/live")
async def live(_: Everybody) -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get("/health/ready")
async def ready(response: Response, _: Everybody, overview: Annotated[Overview, Provided(Overview)]) -> Health:
    """Whether the gateway itself can serve."""
    return _health({"database": await overview.database()}, response)


@router.get("/health")
async def whole(response: Response, _: Everybody, overview: Annotated[Overview, Provided(Overview)]) -> Health:
    """Whether every service can serve."""
    return _health(await overview.checks(), response)


@router.get("/metrics")
async def figures(request: Request, _: Annotated[Principal, Requires("operations:read")]) -> Response:
    """Every figure of this process. Its port is public, unlike the services', so a scraper brings a token."""
    await observation.set_gauges(request.app.state.platform)
    body, media_type = metrics.exposition()
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})
