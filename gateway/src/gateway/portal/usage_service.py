"""What an application asked for: days for a chart, what is left of today, and the log of requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cme_kit.clock import Clock

from gateway.accounts.domain import Account
from gateway.clients.domain import Client
from gateway.clients.schemas import ClientView
from gateway.edge.allowances import Bounds, Limits
from gateway.portal.service import Portal
from gateway.usage.domain import Daily, RecordedRequest
from gateway.usage.service import Usage

DAYS = 14
SHOWN_REQUESTS = 25
SUCCESS = 2
#: Getting a token is no call of the API.
TOKENS = "/oauth/"
#: The chart's height in pixels: bars, and room above for the highest number.
BARS, ABOVE = 120, 24


@dataclass(frozen=True)
class Bar:
    """A day of the chart; x and width in percent, the others in pixels."""

    day: date
    requests: int
    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Allowance:
    """What is left of a group of routes today."""

    group: str
    used: int
    per_day: int

    @property
    def left(self) -> int:
        """Requests until midnight (UTC)."""
        return max(0, self.per_day - self.used)

    @property
    def percent(self) -> float:
        """How much of it is used."""
        return min(100.0, round(100 * self.used / self.per_day, 2))


@dataclass(frozen=True)
class Used:
    """What an application asked for."""

    client: Client
    #: Every day of the period, the oldest first, also those without requests.
    days: list[Daily]
    bars: list[Bar]
    allowances: list[Allowance]
    #: Requests per second in the long run, and at once after a pause.
    per_second: int
    burst: int
    per_day: int

    @property
    def requests(self) -> int:
        """All of the period."""
        return sum(day.requests for day in self.days)

    @property
    def errors(self) -> int:
        """Those of the period that were refused or failed."""
        return sum(day.client_errors + day.server_errors for day in self.days)


class PortalUsage:
    """What a signed-in person sees of the own applications' requests."""

    def __init__(self, portal: Portal, usage: Usage, limits: Limits, clock: Clock) -> None:
        self._portal = portal
        self._usage = usage
        self._limits = limits
        self._clock = clock

    async def of(self, person: Account, client_id: str) -> Used:
        """The last days of an application. Raises NotFound."""
        client = await self._portal.application(person, client_id)
        days = _every_day(await self._usage.daily_of(client_id, DAYS), self._clock.today())
        used = await self._usage.used_today(client_id)
        allowances = [
            Allowance(group, count, self._limits.of(group, client_id).per_day) for group, count in sorted(used.items())
        ]
        bounds = self._limits.of("", client_id)
        return Used(client, days, bars_of(days), allowances, *_rates(bounds), bounds.per_day)

    async def requests(
        self, person: Account, client_id: str, before: str | None, status_class: int | None
    ) -> list[RecordedRequest]:
        """Requests before one, the newest first, one more than are shown. Raises NotFound."""
        await self._portal.application(person, client_id)
        return await self._usage.requests_of(client_id, before, SHOWN_REQUESTS + 1, status_class)

    async def first_called(self, clients: Sequence[ClientView]) -> ClientView | None:
        """The first of these applications that was answered with success in the last week."""
        if clients:
            await self._usage.flush()
        for client in clients:
            recent = await self._usage.stored_requests_of(client.client_id, None, SHOWN_REQUESTS, SUCCESS)
            if any(not request.template.startswith(TOKENS) for request in recent):
                return client
        return None


def _every_day(found: list[Daily], today: date) -> list[Daily]:
    by_day = {daily.day: daily for daily in found}
    days = (today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1))
    return [by_day.get(day, Daily(day, 0, 0, 0)) for day in days]


def bars_of(days: list[Daily]) -> list[Bar]:
    """The bars of a chart, as high as the highest day allows."""
    highest = max((day.requests for day in days), default=0) or 1
    step = 100 / len(days)
    return [
        Bar(
            day=day.day,
            requests=day.requests,
            x=round(index * step + step * 0.15, 2),
            width=round(step * 0.7, 2),
            height=round(BARS * day.requests / highest, 1),
        )
        for index, day in enumerate(days)
    ]


def _rates(bounds: Bounds) -> tuple[int, int]:
    return round(1 / bounds.interval), math.ceil(bounds.tolerance / bounds.interval)
