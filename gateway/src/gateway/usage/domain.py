"""What is known about the requests of a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import NamedTuple


@dataclass(frozen=True)
class RecordedRequest:
    """One request of a client. Never a body, a query or a token."""

    #: Sorts by time; the cursor of the page after it.
    record_id: str
    at: datetime
    method: str
    #: As it was asked for, without the query; None where the path itself is a secret.
    path: str | None
    #: The path of the API's description, or the row of the edge's table.
    template: str
    status: int
    duration_ms: float
    trace_id: str
    #: The code of the problem document, for a refusal.
    problem: str | None = None


@dataclass(frozen=True)
class Daily:
    """What a client asked for in a day (UTC)."""

    day: date
    requests: int
    client_errors: int
    server_errors: int


class Place(NamedTuple):
    """Where requests are counted: one client and one group of routes."""

    client_id: str
    group: str


@dataclass(slots=True)
class Tally:
    """Requests that were counted here and are not stored yet."""

    #: Those that count towards the quota: what passed on, whatever came of it.
    used: int = 0
    requests: int = 0
    client_errors: int = 0
    server_errors: int = 0

    def count(self, status: int) -> None:
        """One answer."""
        self.requests += 1
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.server_errors += 1
        elif status >= HTTPStatus.BAD_REQUEST:
            self.client_errors += 1

    def add(self, other: Tally) -> None:
        """Take over another one's counts."""
        self.used += other.used
        self.requests += other.requests
        self.client_errors += other.client_errors
        self.server_errors += other.server_errors
