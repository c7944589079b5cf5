"""Servers that are measured in one run: each on a core alone, taking turns, because machines change their speed.

A round is as many requests as a server answers, then 60 % of that at a fixed rate. What is reported is the median
round; the best one is what the least disturbed moment allowed. `machine` tells how disturbed it was: a computation that
always is the same took so long at best, in the middle and at worst, so that a p99 near the longest is the machine's.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]

from cme_local.bench.http_load import Plan, Seen, generate, write_requests
from cme_local.errors import StackError

#: What is measured has the first core; what is behind it and the load have the second.
MEASURED_CORE, OTHER_CORE = 0, 1
CONNECTIONS = 32
PACE = 0.6
#: Requests a second at which every client is made known before anything is measured.
WARM_PER_SECOND = 500
#: The machine alone, for comparison: a loop of so many steps, so many times a round.
PIECE, PIECES = 20_000, 60


@dataclass(frozen=True)
class Extent:
    """How much is measured: rounds of so many seconds, twice each."""

    rounds: int = 7
    seconds: float = 1.2


@dataclass(frozen=True)
class Server:
    """Something that answers, and the processes whose CPU is its own."""

    port: int
    processes: tuple[psutil.Process, ...] = ()

    def cpu(self) -> float:
        """Seconds used so far."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self.processes))


@dataclass(frozen=True)
class Load:
    """Sends requests from the other core."""

    folder: Path
    seconds: float

    async def run(
        self, port: int, requests: Sequence[bytes], seconds: float | None = None, rate: float | None = None
    ) -> Seen:
        """What came of it. Without a rate, as many as are answered."""
        path = self.folder / f"requests-{secrets.token_hex(4)}"
        write_requests(path, requests)
        plan = Plan("127.0.0.1", port, str(path), CONNECTIONS, seconds or self.seconds, rate, OTHER_CORE)
        seen = await generate(plan)
        path.unlink()
        return seen

    async def well(self, port: int, requests: Sequence[bytes], rate: float | None = None) -> Seen:
        """The same; every answer has to be a success. Raises StackError."""
        seen = await self.run(port, requests, rate=rate)
        if seen.failed or not seen.count:
            raise StackError(f"not every request was answered well, so there is nothing to measure: {seen.statuses}")
        return seen


@dataclass(frozen=True)
class Round:
    """One look at a server."""

    most: Seen
    cpu_us: float
    steady: Seen
    #: The same requests at the same rate without what is measured.
    bare: Seen | None


@dataclass
class Contender:
    """A server with the requests that it gets. With `once` no request is sent twice."""

    what: str
    server: Server
    requests: Sequence[bytes]
    once: bool = False
    #: What stands behind it, to see what it adds.
    behind: Server | None = None
    rounds: list[Round] = field(default_factory=list)
    _sent: int = 0

    async def warm(self, load: Load, extent: Extent) -> None:
        """Everything once, so that every client is known and its token verified."""
        seconds = 1.0 if self.once else max(1.0, len(self.requests) / WARM_PER_SECOND)
        await load.run(self.server.port, self._some(extent), seconds)

    async def look(self, load: Load, extent: Extent) -> None:
        """One round."""
        before = self.server.cpu()
        most = await load.well(self.server.port, self._some(extent))
        cpu_us = (self.server.cpu() - before) / most.count * 1e6
        rate = most.rate * PACE
        steady = await load.well(self.server.port, self._some(extent), rate)
        bare = await load.well(self.behind.port, self.requests, rate) if self.behind is not None else None
        self.rounds.append(Round(most, cpu_us, steady, bare))

    def _some(self, extent: Extent) -> Sequence[bytes]:
        if not self.once:
            return self.requests
        size = len(self.requests) // (2 * extent.rounds + 1)
        self._sent += size
        return self.requests[self._sent - size : self._sent]

    @property
    def rate(self) -> float:
        """Requests a second of the median round."""
        return median(each.most.rate for each in self.rounds)

    @property
    def cpu_us(self) -> float:
        """CPU for a request in the median round."""
        return median(each.cpu_us for each in self.rounds)

    def times(self, other: Contender) -> float:
        """How many times the rate of another that took turns with it."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return round(median(ours.most.rate / theirs.most.rate for ours, theirs in pairs), 3)

    def added_ms(self, quantile: str) -> float:
        """What it adds at `p50_ms` or `p99_ms` to what stands behind it."""
        pairs = [(each.steady, each.bare) for each in self.rounds if each.bare is not None]
        return round(float(median(getattr(ours, quantile) - getattr(bare, quantile) for ours, bare in pairs)), 3)

    def row(self) -> dict[str, Any]:
        """Its line in the table."""
        has_cpu = bool(self.server.processes)
        return {
            "what": self.what,
            "rate /s": round(self.rate),
            "best": round(max(each.most.rate for each in self.rounds)),
            "CPU µs": round(self.cpu_us) if has_cpu else "",
            "best ": round(min(each.cpu_us for each in self.rounds)) if has_cpu else "",
            "60 % /s": round(median(each.steady.rate for each in self.rounds)),
            "p50 ms": round(median(each.steady.p50_ms for each in self.rounds), 3),
            "p99 ms": round(median(each.steady.p99_ms for each in self.rounds), 3),
        }


async def take_turns(contenders: Sequence[Contender], load: Load, extent: Extent) -> dict[str, float]:
    """Warm all of them, then round by round each; how steady the machine was meanwhile. Raises StackError."""
    for contender in contenders:
        await contender.warm(load, extent)
    pieces = []
    for _ in range(extent.rounds):
        pieces += _pieces_of_work()
        for contender in contenders:
            await contender.look(load, extent)
    return {
        "best_ms": round(min(pieces), 2),
        "median_ms": round(median(pieces), 2),
        "longest_ms": round(max(pieces), 2),
    }


def _pieces_of_work() -> list[float]:
    """How long the same computation took, again and again on the measured core while it had nothing else to do, ms."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {MEASURED_CORE} & usual or usual)
    try:
        took = []
        for _ in range(PIECES):
            began = time.perf_counter()
            sum(len(str(number)) for number in range(PIECE))
            took.append((time.perf_counter() - began) * 1e3)
        return took
    finally:
        os.sched_setaffinity(0, usual)


def pin(pid: int, core: int) -> None:
    """Keep a process and its threads on one core."""
    if os.cpu_count() == 1:
        return
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, {core})
