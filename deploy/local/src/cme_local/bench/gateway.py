"""`cme bench gateway`: what the edge costs with every policy on, beside nginx and a plain proxy, all in one run.

The load generator is `cme_local.bench.http_load`, on the core of the service behind. Saturated first; then at 60 % of
that at a fixed rate, timed from when each request was due. CPU for a request is that of the measured process alone.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from gateway.edge.routes import PACKAGED

from cme_local.bench import gateway_rig as rig
from cme_local.bench.gateway_rig import OTHER_CORE, Load, Server
from cme_local.bench.http_load import Seen, request_bytes
from cme_local.processes import SERVICES, Ports
from cme_local.run import running_stack
from cme_local.stack import Stack

PORT_BASE = 28900
UPSTREAM, MEASURED, NGINX, HTTPX = (PORT_BASE + offset for offset in (21, 22, 23, 24))
#: Forwarded with a token, so never from the cache; the service answers it without its database.
SERVICE, SERVICE_PATH = "credentials", "/.well-known/did.json"
PATH = "/enrolment/v1/applications/app_01jb6x9v3efk7ta1k5h7e3x2wq"
CACHED_PATH = SERVICE_PATH
FEW, MANY = 10, 10_000
FEW_ROUTES, MANY_ROUTES = 10, 1_000
PACE = 0.6
#: A client that may send this often and sends as much as it can, beside one that keeps to its own pace.
FLOODER_PER_SECOND, CALM_PER_SECOND = 200, 300
FLOODED_S = 6.0
BOUNDS = {
    "at_most_cpu_us": 250,
    "at_least_per_second": 4_000,
    "at_least_of_direct": 0.85,
    "at_most_added_p50_ms": 0.6,
    "at_most_added_p99_ms": 3.0,
}


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    seconds: float = 6.0
    clients: int = MANY


QUICK = Extent(seconds=1.5, clients=1_000)


@dataclass(frozen=True)
class Measured:
    """One way, saturated and at 60 % of it."""

    way: str
    most: Seen
    steady: Seen
    cpu_us: float | None

    def row(self) -> dict[str, Any]:
        """Its line in the table."""
        return {
            "way": self.way,
            "rate /s": round(self.most.rate),
            "CPU µs each": "" if self.cpu_us is None else round(self.cpu_us),
            "at 60 % /s": round(self.steady.rate),
            "p50 ms": self.steady.p50_ms,
            "p99 ms": self.steady.p99_ms,
        }


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """The table and what follows from it."""
    extent = QUICK if quick else Extent()
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as name:
        folder = Path(name)
        async with running_stack(Ports(PORT_BASE), folder / "data") as running:
            for process in running.stack.processes:
                rig.pin(process.pid, OTHER_CORE)
            return await Bench(running.stack, folder, extent, Load(folder, extent.seconds)).run()


@dataclass(frozen=True)
class Bench:
    """A stack, and the ways through it."""

    stack: Stack
    folder: Path
    extent: Extent
    load: Load

    async def run(self) -> dict[str, Any]:
        """Every way, one after the other."""
        bearers = rig.bearers(self.stack, self.extent.clients)
        one = [request_bytes("GET", f"http://127.0.0.1:{MEASURED}{PATH}", bearers[0])]
        async with rig.application("cme_local.bench.plain_upstream:app", UPSTREAM, OTHER_CORE) as upstream:
            bare = await self._way("upstream, direct", upstream, one)
            async with rig.nginx(self.folder / "nginx", NGINX, UPSTREAM) as server:
                nginx = await self._way("nginx, plain proxy", server, one) if server else None
            async with rig.httpx_proxy(HTTPX, UPSTREAM) as server:
                httpx = await self._way("FastAPI + httpx, plain proxy", server, one)
            async with rig.gateway(self.stack, MEASURED, self._settings(FEW_ROUTES)) as server:
                edge = await self._way("gateway, every policy", server, one)
                beside = await self.load.well(UPSTREAM, one, edge.steady.rate)
                clients = [await self._of_clients(server, bearers, count) for count in (FEW, self.extent.clients)]
                cached = await self._cached(server)
                direct, through, added = await self._service(server, bearers[0])
            async with rig.gateway(self.stack, MEASURED, self._settings(MANY_ROUTES)) as server:
                routes = await self._way(f"  {MANY_ROUTES:,} routes", server, one)
            flooded = await self._flooded(bearers)
        ways = [bare, *([nginx] if nginx else []), httpx, edge, *clients, routes, cached, direct, through]
        return {
            "rows": [*(way.row() for way in ways), *added, *flooded],
            "connections": rig.CONNECTIONS,
            "without_nginx": None if nginx else "install it by: apt-get install nginx-light",
            "of_nginx": round(edge.most.rate / nginx.most.rate, 3) if nginx else None,
            "times_httpx": round(edge.most.rate / httpx.most.rate, 1),
            "cpu_us": edge.cpu_us,
            "per_second": edge.most.rate,
            "of_direct": round(through.most.rate / direct.most.rate, 3),
            "added_p50_ms": round(edge.steady.p50_ms - beside.p50_ms, 3),
            "added_p99_ms": round(edge.steady.p99_ms - beside.p99_ms, 3),
            **BOUNDS,
        }

    async def _way(self, way: str, server: Server, requests: Sequence[bytes]) -> Measured:
        await self.load.run(server.port, requests, 1.0)
        before = server.cpu()
        most = await self.load.well(server.port, requests)
        used = server.cpu() - before
        steady = await self.load.well(server.port, requests, most.rate * PACE)
        return Measured(way, most, steady, used / most.count * 1e6 if server.processes else None)

    async def _of_clients(self, server: Server, bearers: Sequence[dict[str, str]], count: int) -> Measured:
        requests = [request_bytes("GET", f"http://127.0.0.1:{MEASURED}{PATH}", each) for each in bearers[:count]]
        # Once each, so that every client is known and its token verified.
        await self.load.run(server.port, requests, max(1.0, count / 500))
        return await self._way(f"  {count:,} clients in turn", server, requests)

    async def _cached(self, server: Server) -> Measured:
        request = [request_bytes("GET", f"http://127.0.0.1:{MEASURED}{CACHED_PATH}", {})]
        return await self._way("gateway, public read from the cache", server, request)

    async def _service(self, server: Server, bearer: dict[str, str]) -> tuple[Measured, Measured, list[dict[str, Any]]]:
        """A service of ours, direct and through the gateway; at the same rate, what the gateway adds."""
        request = [request_bytes("GET", f"http://127.0.0.1:{MEASURED}{SERVICE_PATH}", bearer)]
        pid = self.stack.pid(SERVICE)
        service = Server(int(self.stack.urls[SERVICE].rpartition(":")[2]), (psutil.Process(pid),))
        direct = await self._way(f"{SERVICE}, direct", service, request)
        through = await self._way(f"{SERVICE}, through the gateway", server, request)
        beside = await self.load.well(service.port, request, through.steady.rate)
        row = {
            "way": "  added at the same rate",
            "rate /s": "",
            "CPU µs each": "",
            "at 60 % /s": round(beside.rate),
            "p50 ms": round(through.steady.p50_ms - beside.p50_ms, 3),
            "p99 ms": round(through.steady.p99_ms - beside.p99_ms, 3),
        }
        return direct, through, [row]

    async def _flooded(self, bearers: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        """What one client sees while another sends as much as it can."""
        flooder, calm = ([request_bytes("GET", f"http://127.0.0.1:{MEASURED}{PATH}", each)] for each in bearers[:2])
        limit = f'[[limit]]\nclient = "bench-0"\nper_second = {FLOODER_PER_SECOND}\nburst = {FLOODER_PER_SECOND}\n'
        async with rig.gateway(self.stack, MEASURED, self._settings(FEW_ROUTES, limit)) as server:
            return [
                await self._calm("another client, alone", server, calm, None),
                await self._calm("  while one floods at 2,000/s", server, calm, flooder),
            ]

    async def _calm(
        self, way: str, server: Server, calm: Sequence[bytes], flooder: Sequence[bytes] | None
    ) -> dict[str, Any]:
        flood = asyncio.create_task(self.load.run(server.port, flooder, FLOODED_S, 2_000)) if flooder else None
        seen = await self.load.well(server.port, calm, CALM_PER_SECOND)
        if flood is not None:
            await flood
        return Measured(way, seen, seen, None).row() | {"rate /s": ""}

    def _settings(self, routes: int, more: str = "") -> dict[str, str]:
        """The packaged table with as many routes, of which those of one service lead to the plain upstream."""
        table = self.folder / f"routes-{routes}-{len(more)}.toml"
        text = PACKAGED.read_text(encoding="utf-8")
        made = routes - text.count("[[route]]")
        text += "".join(f'\n[[route]]\nprefix = "/made/up/{number}"\nservice = "enrolment"\n' for number in range(made))
        table.write_text(text + "\n" + more, encoding="utf-8")
        upstreams = {service: self.stack.urls[service] for service in SERVICES}
        upstreams["enrolment"] = f"http://127.0.0.1:{UPSTREAM}"
        return {"CME_ROUTES_FILE": str(table), "CME_UPSTREAMS": json.dumps(upstreams)}
