"""The auditor as a job: every ten minutes when something was stated or applied since, and whenever somebody asks."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, fields

from nats.errors import Error as NatsError
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.check import Report, run_check
from cme_local.check.reading import opened

EVERY_S = 600.0


@dataclass(frozen=True)
class Engines:
    """Where the auditor reads, and as whom."""

    mongo_url: str
    nats_url: str
    nats_user: str
    nats_password: str

    @classmethod
    def from_environment(cls) -> Engines:
        """What the supervisor set. Raises KeyError when it did not."""
        return cls(**{one.name: os.environ[f"CME_AUDIT_{one.name.upper()}"] for one in fields(cls)})


class Audit:
    """Runs the auditor and keeps its last report and its figures."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._latest: Report | None = None
        self._seen: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self.registry = CollectorRegistry()
        self._violations = Gauge(
            "cme_invariant_violations", "Records that break an invariant", ["invariant"], registry=self.registry
        )
        self._checked_at = Gauge(
            "cme_invariant_checked_timestamp_seconds", "When the invariants were last checked", registry=self.registry
        )

    async def latest(self) -> Report | None:
        """The last report, or None before the first."""
        return self._latest

    async def run_now(self) -> Report:
        """Audit now. Raises PyMongoError, nats' Error or OSError when an engine cannot be read."""
        async with self._one_at_a_time:
            seen = await self._marks()
            # In a thread with a loop of its own: spans keep coming in meanwhile.
            report = await asyncio.to_thread(asyncio.run, run_check(**vars(self._engines)))
            for one in report.invariants:
                self._violations.labels(one.name).set(len(one.violations))
            self._checked_at.set(report.at.timestamp())
            self._latest, self._seen = report, seen
            return report

    async def run(self) -> None:
        """Audit every ten minutes until cancelled; an idle platform is not read again, and an engine that is away waits."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                if self._latest is None or not self._latest.ok or await self._marks() != self._seen:
                    await self.run_now()
            except (PyMongoError, NatsError, OSError):
                continue  # the timestamp of the last check gets old, which is what alarms look at

    async def _marks(self) -> dict[str, int]:
        """How far every stream and every consumer is: what has not moved has nothing new to audit."""
        async with opened(**vars(self._engines)) as sources:
            return await sources.marks()


def routes(audit: Audit) -> list[Route]:
    """The last report, a new one on demand, and the figures."""

    async def latest(_: Request) -> Response:
        report = await audit.latest()
        return JSONResponse(report.as_json() if report else None)

    async def run_now(_: Request) -> Response:
        try:
            return JSONResponse((await audit.run_now()).as_json())
        except (PyMongoError, NatsError, OSError) as error:
            return JSONResponse({"detail": f"The engines cannot be read: {type(error).__name__}"}, status_code=503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(audit.registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/api/audit", latest),
        Route("/api/audit", run_now, methods=["POST"]),
        Route("/metrics", metrics),
    ]
