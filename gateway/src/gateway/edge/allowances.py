"""How much a caller may ask for: the limits of the table, and what the answers say about them.

`RateLimit-Policy` and `RateLimit` are those of the Internet-Draft httpapi-ratelimit-headers-10: one item for the rate,
one for the quota of the day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

DAY_SECONDS = 86_400
NUMBERS = ("per_second", "burst", "per_day")


class Limit(BaseModel):
    """`[[limit]]` as it is written: what it does not say comes from the next less exact one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str | None = None
    client: str | None = None
    per_second: int | None = Field(default=None, ge=1)
    burst: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one caller has of one group of routes."""

    #: Seconds between two requests in the long run.
    interval: float
    #: Seconds of requests that may come at once.
    tolerance: float
    per_day: int
    #: What the answers to callers without a token say, and to the others.
    rate_policy: bytes
    policy: bytes

    @classmethod
    def of(cls, per_second: int, burst: int, per_day: int) -> Bounds:
        """The bounds that these numbers make."""
        tolerance = burst / per_second
        rate = f'"default";q={burst};w={max(1, math.ceil(tolerance))}'
        policy = f'{rate}, "daily";q={per_day};w={DAY_SECONDS}'
        return cls(1 / per_second, tolerance, per_day, rate.encode(), policy.encode())


class Limits:
    """Finds the bounds of a caller. Two looks, however many rows the table has."""

    def __init__(self, rows: Iterable[Limit], replaced: Mapping[str, int | None]) -> None:
        """`replaced` are numbers of the limit for everybody. Raises ValueError."""
        by_place: dict[tuple[str | None, str | None], Limit] = {}
        for row in rows:
            if (row.group, row.client) in by_place:
                raise ValueError(f"two limits for group {row.group} and client {row.client}")
            by_place[row.group, row.client] = row
        everybody = by_place.get((None, None))
        if everybody is None or any(getattr(everybody, name) is None for name in NUMBERS):
            raise ValueError("one limit is for everybody and has all three numbers")
        given = {name: value for name, value in replaced.items() if value is not None}
        by_place[None, None] = everybody.model_copy(update=given)
        self._everybody = _bounds(by_place, None, None)
        groups = {group for group, _ in by_place if group is not None}
        clients = {client for _, client in by_place if client is not None}
        self._by_group = {group: _bounds(by_place, group, None) for group in groups}
        self._by_client = {
            client: {group: _bounds(by_place, group, client) for group in (*groups, None)} for client in clients
        }

    def of(self, group: str, client: str | None) -> Bounds:
        """The bounds of a client, or of somebody without one, in a group of routes."""
        own = self._by_client.get(client) if client is not None else None
        if own is not None:
            return own.get(group) or own[None]
        return self._by_group.get(group, self._everybody)


def _bounds(rows: Mapping[tuple[str | None, str | None], Limit], group: str | None, client: str | None) -> Bounds:
    numbers: dict[str, int] = {}
    for place in ((None, None), (group, None), (None, client), (group, client)):
        if (row := rows.get(place)) is not None:
            numbers |= {name: value for name in NUMBERS if (value := getattr(row, name)) is not None}
    return Bounds.of(**numbers)
