"""Figures of the deliveries, for Prometheus. Labels hold no id and no address."""

from __future__ import annotations

from datetime import datetime

from cme_kit.metrics import SECONDS
from prometheus_client import Counter, Gauge, Histogram

from gateway.webhooks.domain import Attempt, State, Verdict

ATTEMPTS = Counter(
    "cme_webhook_attempts",
    "Requests to receivers by what came of them: 2xx, 3xx, 4xx, 5xx, or none without an answer",
    ["outcome"],
)
ATTEMPT_SECONDS = Histogram("cme_webhook_attempt_seconds", "How long receivers took", buckets=(*SECONDS, 20.0, 30.0))
DELIVERIES = Counter("cme_webhook_deliveries", "Deliveries by how they ended: delivered or failed", ["outcome"])
DISABLED = Counter("cme_webhooks_disabled", "Webhooks disabled for their receiver's sake", ["reason"])
BACKLOG = Gauge("cme_webhook_backlog", "Attempts that are due and not made yet, of all replicas")
OLDEST = Gauge("cme_webhook_oldest_seconds", "For how long the longest waiting attempt has been due")
LISTENERS = Gauge("cme_webhook_listeners", "Clients that listen to this replica now")


def note_attempt(attempt: Attempt, verdict: Verdict) -> None:
    """One attempt and what follows from it."""
    ATTEMPTS.labels("none" if attempt.status is None else f"{attempt.status // 100}xx").inc()
    ATTEMPT_SECONDS.observe(attempt.milliseconds / 1000)
    if verdict.state is not State.PENDING:
        DELIVERIES.labels(verdict.state.value).inc()
    if verdict.disable is not None:
        DISABLED.labels(verdict.disable.value).inc()


def note_backlog(count: int, oldest: datetime | None, now: datetime) -> None:
    """What is due."""
    BACKLOG.set(count)
    OLDEST.set((now - oldest).total_seconds() if oldest is not None else 0)
