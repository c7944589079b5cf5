"""Counting requests in memory, settled with all replicas in the database every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from gateway.usage.domain import Place, Tally
from gateway.usage.repository import CHUNK, UsageRepository

Tallies = dict[Place, Tally]


class Ledger:
    """Who asked how often today (UTC).

    A quota is exact for what this process counted and what it has seen of the others: between two settlements another
    replica can let pass what this one does not know of.
    """

    def __init__(self, repository: UsageRepository, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since 1970."""
        self._repository = repository
        self._clock = clock
        self._unsettled: dict[date, Tallies] = {}
        self._used: dict[Place, int] = {}
        self._turn_to_today()

    async def load(self) -> None:
        """Take over what was counted today before this process began. Raises PyMongoError."""
        self._used |= await self._repository.used_by_all(self._day)

    def used(self, place: Place) -> int:
        """Requests of today that count towards the quota."""
        if self._clock() >= self._ends:
            self._turn_to_today()
        return self._used.get(place, 0)

    def seconds_left(self) -> int:
        """Until the day ends and every quota is whole again."""
        return max(1, int(self._ends - self._clock()) + 1)

    def use(self, place: Place) -> None:
        """Count a request towards the quota."""
        self._used[place] = self._used.get(place, 0) + 1
        self._tally(place).used += 1

    def count(self, place: Place, status: int) -> None:
        """Count an answer."""
        self._tally(place).count(status)

    async def settle(self) -> None:
        """Add what was counted here to what all replicas counted, and take over the sums. Raises PyMongoError."""
        if self._clock() >= self._ends:
            self._turn_to_today()
        for day in list(self._unsettled):
            await self._settle(day)

    async def _settle(self, day: date) -> None:
        tallies, self._unsettled[day] = self._unsettled[day], {}
        if day == self._day:
            self._today = self._unsettled[day]
        places = list(tallies)
        try:
            while tallies:
                chunk = dict(islice(tallies.items(), CHUNK))
                overtaken = await self._repository.add(day, chunk)
                for place in chunk.keys() - set(overtaken):
                    del tallies[place]
        finally:
            for place, tally in tallies.items():
                self._unsettled[day].setdefault(place, Tally()).add(tally)
        if day != self._day:
            del self._unsettled[day]
            return
        for start in range(0, len(places), CHUNK):
            sums = await self._repository.used(day, places[start : start + CHUNK])
            if day == self._day:
                for place, used in sums.items():
                    since = self._today.get(place)
                    self._used[place] = used + (since.used if since else 0)

    def _tally(self, place: Place) -> Tally:
        tally = self._today.get(place)
        if tally is None:
            tally = self._today[place] = Tally()
        return tally

    def _turn_to_today(self) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        self._day = now.date()
        self._ends = datetime.combine(self._day + timedelta(days=1), datetime.min.time(), UTC).timestamp()
        self._used = {}
        self._today = self._unsettled.setdefault(self._day, {})
