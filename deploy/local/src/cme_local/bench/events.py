"""`cme bench events`: what an event costs and how soon it takes effect, with the floor or the peer in the same run.

Engines as in the local stack: NATS with `sync_interval: always`, the embedded database with every commit on disk.
"""

import asyncio
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cme_kit.streams import owned_streams, provision_streams

from cme_local import engines, environment
from cme_local.bench import event_bus
from cme_local.bench.event_roles import APPLIER, WRITER
from cme_local.child import ChildSpec
from cme_local.errors import StackError, UserError
from cme_local.http_probe import accepts_connections
from cme_local.processes import Group, Ports
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from cme_local.supervisor import Supervisor

Figures = TypeVar("Figures")
PORT_BASE = 28700
WARM_UP_S = 2.0
SIDES = {
    "bare": "nats-py alone: fetch, acknowledge",
    "cme": "CME: and validate, order, inbox, span",
    "faststream": "FastStream: and validate, span",
}


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    latency_s: int = 60
    down_s: int = 60
    rows: int = 30_000
    consumed: int = 10_000
    rounds: int = 3
    published: int = 5_000


QUICK = Extent(latency_s=5, down_s=5, rows=1_000, consumed=2_000, rounds=1, published=1_000)


@dataclass(frozen=True)
class Bench:
    """Running engines, and how to start a process on them."""

    ports: Ports
    passwords: dict[str, str]
    extent: Extent

    def arguments(self, service: str, **more: Any) -> dict[str, Any]:
        """What a role needs to know."""
        connection = {
            "public_url": self.ports.gateway_url,
            "jwks_url": f"{self.ports.gateway_url}/oauth/jwks",
            "mongo_url": engines.mongo_url(self.ports),
            "nats_url": f"nats://127.0.0.1:{self.ports.nats}",
            "nats_user": service,
            "nats_password": self.passwords[service],
        }
        return {"settings": connection, **more}

    async def role(self, name: str, service: str, **more: Any) -> "Role":
        """Start a process of `event_roles`."""
        return await Role.start("event_roles", name, self.arguments(service, **more))


class Role:
    """A process that says what it has measured, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, name: str, arguments: dict[str, Any]) -> "Role":
        """Start it; its log goes where ours goes, and its measurements come back."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"cme_local.bench.{module}", name, json.dumps(arguments)),
            env=environment.inherited(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        return cls(process)

    async def says(self, key: str) -> Any:
        """The next line that has `key`. Raises StackError when the process ends before."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b"{") and key in (said := json.loads(line)):
                return said[key] if len(said) == 1 else said
        raise StackError(f"A process of the measurement ended before it said '{key}'")

    async def stop(self) -> None:
        """Let it finish what it does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Every figure, each with its bound and with what the broker or the peer does in the same run."""
    if importlib.util.find_spec("faststream") is None:
        raise UserError(
            "The peer is not installed. Start by ./cme bench events, or run: uv sync --inexact --group bench"
        )
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as folder:
        async with _engines(Path(folder), QUICK if quick else Extent()) as bench:
            cost = await _stage("CPU for each event", _cost(bench))
            latency = await _stage("commit to effect", _latency(bench))
            down = await _stage("a service down", _down(bench))
            backlog = await _stage("backlog", _backlog(bench))
    return {"rows": _rows(latency, down, backlog, cost), "quick": quick} | latency | down | backlog | {"cost": cost}


async def _stage(name: str, measuring: Awaitable[Figures]) -> Figures:
    began = time.monotonic()
    figures = await measuring
    print(f"{name}: measured in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


@asynccontextmanager
async def _engines(folder: Path, extent: Extent) -> AsyncIterator[Bench]:
    ports, secrets = Ports(PORT_BASE), load_or_create(folder)
    mongo, nats = engines.mongo_command(folder, ports), engines.nats_command(folder, ports, secrets)
    bare = environment.inherited()
    specs = [
        ChildSpec("mongo", mongo, bare, Group.ENGINE, "", partial(accepts_connections, ports.mongo), one_core=True),
        ChildSpec("nats", nats, bare, Group.ENGINE, "", partial(accepts_connections, ports.nats)),
    ]
    supervisor = Supervisor(specs, folder / "logs")
    try:
        await supervisor.start(60)
        yield Bench(ports, secrets.nats_passwords, extent)
    finally:
        await supervisor.stop()


async def _latency(bench: Bench) -> dict[str, Any]:
    """From the commit in one service to the commit of its effect in the next; arrivals do not wait for effects."""
    rate, seconds = 100, bench.extent.latency_s + WARM_UP_S
    applier = await bench.role("apply", APPLIER, count=int(rate * seconds))
    await applier.says("ready")
    writer = await bench.role("write", WRITER, rate=rate, seconds=seconds, prefix="org_latency_")
    commits = await writer.says("commits")
    effects = await applier.says("effects")
    await asyncio.gather(writer.stop(), applier.stop())
    settled = min(commits.values()) + WARM_UP_S
    took = [(effects[event] - at) * 1000 for event, at in commits.items() if at >= settled]
    cuts = statistics.quantiles(took, n=100)
    return {"effect_p50_ms": cuts[49], "effect_p99_ms": cuts[98], "effect_events": len(took)}


async def _down(bench: Bench) -> dict[str, Any]:
    """The next service is down while events go on; how long its start needs until it has what it missed."""
    rate, after = 50, max(15, bench.extent.down_s // 2)
    writer = await bench.role("write", WRITER, rate=rate, seconds=bench.extent.down_s + after, prefix="org_down_")
    await writer.says("ready")
    await asyncio.sleep(bench.extent.down_s)
    started = time.time()
    applier = await bench.role("apply", APPLIER, count=rate * (bench.extent.down_s + after))
    commits, effects = await asyncio.gather(writer.says("commits"), applier.says("effects"))
    await asyncio.gather(writer.stop(), applier.stop())
    missed = [effects[event] for event, at in commits.items() if at < started]
    return {"catch_up_s": max(missed) - started, "missed_events": len(missed)}


async def _backlog(bench: Bench) -> dict[str, Any]:
    """The broker's own pace for one event at a time made durable, then the outbox after a long outage."""
    user = bench.arguments(NATS_TOOL_USER)["settings"]
    client = await event_bus.connected(user["nats_url"], user["nats_user"], user["nats_password"])
    jetstream = client.jetstream()
    pace = {at_once: await event_bus.publish(jetstream, bench.extent.published, at_once) for at_once in (32, 200)}
    stored = (await jetstream.stream_info(event_bus.STREAM)).state.messages
    relay = await bench.role("drain", WRITER, rows=bench.extent.rows, before=stored, prefix="org_backlog_")
    drained = await relay.says("seconds")
    await relay.stop()
    await client.close()
    return {
        "drain_per_second": drained["rows"] / drained["seconds"],
        "drained_rows": drained["rows"],
        "broker_per_second": max(pace.values()),
    }


async def _cost(bench: Bench) -> dict[str, float]:
    """CPU of each side's process for an event, the median of rounds that take turns."""
    user = bench.arguments(NATS_TOOL_USER)["settings"]
    client = await event_bus.connected(user["nats_url"], user["nats_user"], user["nats_password"])
    jetstream = client.jetstream()
    await provision_streams(jetstream, owned_streams(WRITER))
    await event_bus.publish(jetstream, bench.extent.consumed, 200)
    used: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(bench.extent.rounds):
        for side in SIDES:
            arguments = {
                "nats_url": user["nats_url"],
                "user": user["nats_user"],
                "password": user["nats_password"],
                "stream": event_bus.STREAM,
                "durable": APPLIER if side == "cme" else f"{side}-{number}",
                "count": bench.extent.consumed,
                **bench.arguments(APPLIER),
            }
            process = await Role.start("event_cost", side, arguments)
            used[side].append((await process.says("cpu_us"))["cpu_us"])
            await process.stop()
            await jetstream.delete_consumer(event_bus.STREAM, arguments["durable"])
    await jetstream.purge_stream(event_bus.STREAM)
    await client.close()
    return {side: statistics.median(figures) for side, figures in used.items()}


def _rows(
    latency: dict[str, Any], down: dict[str, Any], backlog: dict[str, Any], cost: dict[str, float]
) -> Sequence[dict[str, Any]]:
    def row(figure: str, ours: float, peer: str, bound: str, digits: int = 1) -> dict[str, Any]:
        return {"figure": figure, "CME": f"{ours:.{digits}f}", "beside it": peer, "bound": bound}

    library, broker = cost["bare"], backlog["broker_per_second"]
    return [
        row("Commit to effect in the next service, 100/s, p50 (ms)", latency["effect_p50_ms"], "", "at most 10"),
        row("Commit to effect in the next service, 100/s, p99 (ms)", latency["effect_p99_ms"], "", "at most 60"),
        row(
            "CPU for a consumed event, nats-py included (µs)",
            cost["cme"],
            f"FastStream {cost['faststream']:.0f}, nats-py alone {library:.0f}",
            "",
        ),
        row(
            "… of it beyond nats-py's fetch and acknowledgement (µs)",
            cost["cme"] - library,
            f"FastStream {cost['faststream'] - library:.0f}",
            "at most 80",
        ),
        row(
            f"Caught up after a stop, {down['missed_events']} events missed at 50/s (s)",
            down["catch_up_s"],
            "",
            "at most 15",
        ),
        row(
            f"Outbox of {backlog['drained_rows']} rows published (events/s)",
            backlog["drain_per_second"],
            f"durable publish {broker:.0f}",
            f"at least {min(1000, broker):.0f}",
            0,
        ),
    ]
