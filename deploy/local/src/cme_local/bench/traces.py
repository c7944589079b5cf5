"""`cme bench traces`: what the trace store takes on one core, within which bytes, and how soon its pages answer."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cme_local import environment
from cme_local.bench.trace_load import Load, load
from cme_local.errors import StackError
from cme_local.http_probe import status_of
from cme_local.ops.otlp import PROTOBUF
from cme_local.ops.settings import OperationsSettings
from cme_local.ops.store import Limits
from cme_local.processes import OPERATIONS_MODULE, Ports
from cme_local.secrets import load_or_create

PORT_BASE = 28600
READY_WITHIN_S = 20.0
#: As many services of the platform export at a time.
SENDERS = 4
MB = 1024 * 1024
LEAST_SPANS_PER_S, MOST_PAGE_MS = 5_000, 200


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    traces: int = 10_000
    looks: int = 20
    traces_for_cap: int = 40_000


QUICK = Extent(traces=1_000, looks=3, traces_for_cap=1_000)


@dataclass(frozen=True)
class Store:
    """A running operations process, alone on a core, and a client that is signed in."""

    http: aiohttp.ClientSession
    process: psutil.Process
    url: str

    async def take(self, bodies: Sequence[bytes]) -> tuple[float, float]:
        """Send exports, a few at a time; the seconds that passed and the seconds of CPU that the store used."""
        waiting = list(reversed(bodies))

        async def send() -> None:
            while waiting:
                body = waiting.pop()
                async with self.http.post(
                    f"{self.url}/v1/traces", data=body, headers={"Content-Type": PROTOBUF}
                ) as answer:
                    await answer.read()
                    _expect(answer.status, "/v1/traces")

        began, used = time.perf_counter(), self._cpu()
        await asyncio.gather(*(send() for _ in range(SENDERS)))
        return time.perf_counter() - began, self._cpu() - used

    async def look(self, path: str, times: int) -> tuple[list[float], float]:
        """How long a page takes each time, and the CPU of one in the mean, in milliseconds."""
        taken = []
        used = self._cpu()
        for _ in range(times):
            began = time.perf_counter()
            async with self.http.get(f"{self.url}{path}") as answer:
                await answer.read()
                _expect(answer.status, path)
            taken.append((time.perf_counter() - began) * 1000)
        return taken, (self._cpu() - used) / times * 1000

    async def counts(self) -> dict[str, int]:
        """Traces, spans and bytes that it keeps."""
        async with self.http.get(f"{self.url}/api/spans/count") as answer:
            counts: dict[str, int] = await answer.json()
            return counts

    async def newest(self) -> str:
        """The id of the trace that got a span last."""
        async with self.http.get(f"{self.url}/api/traces?limit=1") as answer:
            trace_id: str = (await answer.json())["items"][0]["trace_id"]
            return trace_id

    def rss_mb(self) -> float:
        """Its resident memory."""
        rss: int = self.process.memory_info().rss
        return round(rss / MB, 1)

    def _cpu(self) -> float:
        return float(sum(self.process.cpu_times()[:2]))


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Intake beside its floor, then the pages, then the cap."""
    extent = QUICK if quick else Extent()
    sent = load(extent.traces)
    floor = _parse_alone(sent)
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as folder:
        async with _running(Path(folder)) as store:
            rss_empty = store.rss_mb()
            intake = _intake(sent, await store.take(sent.bodies), floor)
            rows = [*intake, *await _pages(store, sent, extent.looks), *await _cap(store, extent, rss_empty)]
    return {"rows": rows, "traces": extent.traces, "spans": sent.spans}


def _parse_alone(sent: Load) -> float:
    """The floor: microseconds of CPU to parse a span's protobuf and drop it."""
    began = time.process_time()
    for body in sent.bodies:
        ExportTraceServiceRequest.FromString(body)
    return (time.process_time() - began) / sent.spans * 1e6


def _intake(sent: Load, taken: tuple[float, float], floor: float) -> list[dict[str, str]]:
    seconds, cpu = taken
    per_span = cpu / sent.spans * 1e6
    return [
        _row("spans taken over HTTP on one core", f"{sent.spans / seconds:,.0f}/s", "", f"{LEAST_SPANS_PER_S:,}/s"),
        _row("CPU for a span", f"{per_span:.1f} µs", f"parsing alone {floor:.1f} µs", ""),
        _row("spans a second of CPU would take", f"{1e6 / per_span:,.0f}", f"parsing alone {1e6 / floor:,.0f}", ""),
    ]


async def _pages(store: Store, sent: Load, looks: int) -> list[dict[str, str]]:
    paths = {
        "list": "/traces",
        "list, the failed ones of an operation": "/traces?service=outreach&operation=process&errors=1",
        "list, nothing matches": "/traces?service=outreach&operation=no-such-thing",
        "list, a text that nothing has": "/traces?text=no-such-thing",
        "list, the longest": "/traces?limit=200",
        "one trace": f"/traces/{await store.newest()}",
        "way of an id of one trace": f"/way?id={sent.rare_id}",
        "way of an id of every trace": f"/way?id={sent.common_id}",
        "map": "/map",
        "routes": "/routes",
        "map, last hour": "/map?minutes=60",
        "routes, last hour": "/routes?minutes=60",
    }
    rows = []
    for name, path in paths.items():
        taken, cpu = await store.look(path, looks)
        measured = f"{statistics.median(taken):.0f} / {max(taken):.0f} ms"
        rows.append(
            _row(f"page: {name}", measured, f"median / slowest of {looks}; CPU {cpu:.0f} ms", f"{MOST_PAGE_MS} ms")
        )
    return rows


async def _cap(store: Store, extent: Extent, rss_empty: float) -> list[dict[str, str]]:
    """Send until the oldest had to go, twice over."""
    bound = Limits().total_bytes
    seed, most, came = 2, 0, 0
    while came < extent.traces_for_cap:
        await store.take(load(extent.traces, seed).bodies)
        seed, came = seed + 1, came + extent.traces
        most = max(most, (await store.counts())["bytes"])
    counts = await store.counts()
    kept = f"{counts['traces']:,} traces, {counts['spans']:,} spans kept"
    rss = store.rss_mb()
    return [
        _row(f"bytes after {came:,} traces more", f"{most / MB:.1f} MB", kept, f"{bound / MB:.0f} MB"),
        _row("memory of the process", f"{rss} MB", f"empty {rss_empty} MB, so {rss - rss_empty:.1f} MB of traces", ""),
    ]


def _row(figure: str, measured: str, beside: str, bound: str) -> dict[str, str]:
    return {"figure": figure, "measured": measured, "beside it": beside, "bound": bound}


def _expect(status: int, path: str) -> None:
    if status != HTTPStatus.OK:
        raise StackError(f"{path} answered {status}, so there is nothing to measure")


@asynccontextmanager
async def _running(data: Path) -> AsyncIterator[Store]:
    """The operations process as a stack starts it, with no stack behind it."""
    ports, secrets = Ports(PORT_BASE), load_or_create(data)
    command = [sys.executable, "-m", OPERATIONS_MODULE, *(str(p) for p in (ports.traces, ports.mail, ports.smtp))]
    settings = (
        environment.for_auditor(ports, secrets) | OperationsSettings(data, secrets.operations_token).environment()
    )
    process = await asyncio.create_subprocess_exec(*command, env=environment.inherited() | settings)
    try:
        url = ports.url(ports.traces)
        await _ready(url)
        watched = psutil.Process(process.pid)
        watched.cpu_affinity([watched.cpu_affinity()[-1]])
        headers = {"Authorization": f"Bearer {secrets.operations_token}"}
        # While new spans are made nothing is sent: a connection is not taken up again when the server may have let it go.
        connections = aiohttp.TCPConnector(keepalive_timeout=1)
        async with aiohttp.ClientSession(headers=headers, connector=connections) as http:
            yield Store(http, watched, url)
    finally:
        process.terminate()
        await process.wait()


async def _ready(url: str) -> None:
    give_up = time.monotonic() + READY_WITHIN_S
    while await status_of(f"{url}/health/live") != HTTPStatus.OK:
        if time.monotonic() > give_up:
            raise StackError("The operations process did not start")
        await asyncio.sleep(0.1)
