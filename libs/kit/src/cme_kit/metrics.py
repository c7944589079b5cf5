"""Figures of a process in the Prometheus text format: requests, outbox, consumers.

Names follow the semantic conventions of OpenTelemetry where they have one. Labels never hold an id.
"""

from __future__ import annotations

import time
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The moment at which each counter began would double the lines, and Prometheus sees a restart by itself.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: The path of a request that no route took: paths of strangers would be labels without end.
NO_ROUTE = "(none)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Any other method, as the semantic conventions call it: strangers invent them without end.
OTHER_METHOD = "_OTHER"

REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Requests by route and status",
    ["http_request_method", "http_route", "http_response_status_code"],
    buckets=SECONDS,
)
PUBLISHED = Counter("cme_events_published", "Events that the broker acknowledged")
PUBLISH_FAILURES = Counter("cme_publish_failures", "Publishes that the broker did not acknowledge; they are repeated")
PENDING = Gauge("cme_outbox_pending", "Committed events that are not in the stream yet")
OLDEST = Gauge("cme_outbox_oldest_seconds", "Age of the oldest committed event that is not in the stream yet")
LEADS = Gauge("cme_relay_leader", "1 when this replica publishes the outbox")
APPLIED = Counter("cme_events_applied", "Events whose effect is committed here", ["stream"])
APPLYING = Histogram("cme_event_apply_seconds", "Time from receipt to commit", ["stream"], buckets=SECONDS)
RETRIES = Counter("cme_event_retries", "Attempts that failed and are repeated", ["stream"])
GAPS = Counter("cme_event_gaps", "Events applied although an earlier one of their aggregate never came", ["stream"])
BURIED = Counter("cme_dead_letters_buried", "Messages that became dead letters", ["stream"])
DEAD_LETTERS = Gauge("cme_dead_letters", "Dead letters that wait for an operator")
LAG = Gauge("cme_consumer_lag", "Events of a stream that are not applied here yet", ["stream"])
REDELIVERED = Gauge("cme_consumer_redelivered", "Messages of a stream that are in flight for a second time", ["stream"])
ENGINE_UP = Gauge("cme_engine_up", "1 when the engine answered the figures of this scrape in time", ["engine"])


def exposition() -> tuple[bytes, str]:
    """All figures and their media type (Prometheus text format 0.0.4)."""
    return generate_latest(), CONTENT_TYPE_LATEST


@lru_cache(maxsize=4096)
def _requests(method: str, route: str, status: int) -> Histogram:
    """The figures of one kind of request, found at once: looking them up costs more than observing."""
    return REQUESTS.labels(method, route, status)


def observe_request(method: str, route: str, status: int, began: float) -> None:
    """One request that began at `time.perf_counter()` of `began`; `route` is a template, never a path with an id."""
    known = method if method in METHODS else OTHER_METHOD
    _requests(known, route, status).observe(time.perf_counter() - began)


class RequestFigures:
    """ASGI middleware: one observation for each request, by the template of its route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and observe how long the answer took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            observe_request(scope["method"], getattr(scope.get("route"), "path", NO_ROUTE), status, began)
