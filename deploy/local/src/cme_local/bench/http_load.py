"""An HTTP/1.1 load generator that costs less than what it measures: prepared bytes over kept connections.

It runs as a process of its own on a core of its own. With a rate it sends when a request is due, whether or not earlier
ones are answered, and measures from when it was due, so that a server that stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
#: How long to wait for the last answers.
LAST_ANSWERS_S = 2.0
LENGTH = b"\r\ncontent-length:"


@dataclass(frozen=True)
class Plan:
    """What to send: each request's bytes are one entry of a file, taken in turn."""

    host: str
    port: int
    requests_file: str
    connections: int
    seconds: float
    #: Requests per second; None for as many as the connections carry.
    rate: float | None = None
    core: int | None = None


@dataclass(frozen=True)
class Seen:
    """What came of it."""

    rate: float
    p50_ms: float
    p99_ms: float
    count: int
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Answers that are no success."""
        return sum(count for status, count in self.statuses.items() if not status.startswith("2"))


def request_bytes(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request as it goes over the wire."""
    parts = urlsplit(url)
    lines = [
        f"{method} {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1",
        f"Host: {parts.netloc}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + END + body


def write_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Write a file of requests, each with its length before it."""
    with path.open("wb") as file:
        for request in requests:
            file.write(len(request).to_bytes(4, "big") + request)


def _read_requests(path: Path) -> list[bytes]:
    content, found, at = path.read_bytes(), [], 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        found.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    return found


class _Connection(asyncio.Protocol):
    """One kept connection, with one request on its way at most."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._load.free(self)

    def send(self, request: bytes, due: float) -> None:
        assert self.transport is not None
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(END)
        if head_end < 0:
            return
        head = self._buffer[: head_end + 2].lower()
        at = head.find(LENGTH)
        if at >= 0:
            length = int(head[at + len(LENGTH) : head.index(b"\r\n", at + 2)])
            if len(self._buffer) < head_end + 4 + length:
                return
        elif b"chunked" in head and not self._buffer.endswith(LAST_CHUNK):
            return
        status = self._buffer[9:12].decode()
        self._buffer = b""
        self._load.answered(self, status)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._load.lost()


class _Load:
    def __init__(self, plan: Plan, requests: list[bytes]) -> None:
        self._plan = plan
        self._requests = requests
        self._next = 0
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()
        self._planned = 0
        self._all_answered = asyncio.Event()
        self._over = False
        self._lost = 0

    async def run(self) -> Seen:
        loop = asyncio.get_running_loop()
        plan = self._plan
        for _ in range(plan.connections):
            await loop.create_connection(lambda: _Connection(self), plan.host, plan.port)
        began = time.perf_counter()
        if plan.rate is None:
            while self._free:
                self._send(self._free.popleft(), time.perf_counter())
            await asyncio.sleep(plan.seconds)
        else:
            await self._at_rate(began, plan.rate)
        self._over = True
        took = time.perf_counter() - began
        if not self._latencies:
            return Seen(0, 0, 0, 0, {"lost": self._lost})
        ordered = statistics.quantiles(self._latencies, n=100)
        lost = {"lost": self._lost} if self._lost else {}
        return Seen(
            rate=round(len(self._latencies) / took, 1),
            p50_ms=round(ordered[49] * 1000, 3),
            p99_ms=round(ordered[98] * 1000, 3),
            count=len(self._latencies),
            statuses={**self._statuses, **lost},
        )

    async def _at_rate(self, began: float, rate: float) -> None:
        self._planned = planned = int(self._plan.seconds * rate)
        sent = 0
        while sent < planned:
            now = time.perf_counter()
            while sent < planned and began + sent / rate <= now:
                due = began + sent / rate
                sent += 1
                if self._free:
                    self._send(self._free.popleft(), due)
                else:
                    self._due.append(due)
            # Finer than an event loop's sleep, which ends up to a millisecond late; what else is on this core goes first.
            os.sched_yield()
            await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_S):
                await self._all_answered.wait()

    def free(self, connection: _Connection) -> None:
        self._free.append(connection)

    def answered(self, connection: _Connection, status: str) -> None:
        if self._over:
            return
        now = time.perf_counter()
        self._latencies.append(now - connection.due)
        self._statuses[status] += 1
        if len(self._latencies) == self._planned:
            self._all_answered.set()
        if self._plan.rate is None:
            self._send(connection, now)
        elif self._due:
            self._send(connection, self._due.popleft())
        else:
            self._free.append(connection)

    def lost(self) -> None:
        if not self._over:
            self._lost += 1

    def _send(self, connection: _Connection, due: float) -> None:
        request = self._requests[self._next % len(self._requests)]
        self._next += 1
        connection.send(request, due)


async def generate(plan: Plan) -> Seen:
    """Run a plan in a process of its own. Raises RuntimeError when it ends badly."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cme_local.bench.http_load", json.dumps(asdict(plan))),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return Seen(**json.loads(output))


def main() -> None:
    """The process: its plan is its argument, what it saw is its output."""
    plan = Plan(**json.loads(sys.argv[1]))
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    requests = _read_requests(Path(plan.requests_file))
    seen = uvloop.run(_Load(plan, requests).run())
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
