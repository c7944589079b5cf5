"""`cme bench gateway`: what the edge costs with every policy on, beside nginx and a plain proxy, all in one run.

The load generator is `cme_local.bench.http_load`, on the core of the service behind. Saturated first; then at 60 % of
that at a fixed rate, timed from when each request was due. All take turns (`cme_local.bench.turns`). CPU for a request
is that of the measured process alone.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]
from gateway.edge.routes import PACKAGED

from cme_local.bench import gateway_rig as rig
from cme_local.bench.http_load import Seen, request_bytes
from cme_local.bench.turns import CONNECTIONS, OTHER_CORE, Contender, Extent, Load, Server, pin, take_turns
from cme_local.processes import SERVICES, Ports
from cme_local.run import running_stack
from cme_local.stack import Stack

PORT_BASE = 28900
UPSTREAM, MEASURED, NGINX, HTTPX, MANY_ROUTED, FLOODED = (PORT_BASE + offset for offset in range(21, 27))
#: Forwarded with a token, so never from the cache; the service answers it without its database.
SERVICE, SERVICE_PATH = "credentials", "/.well-known/did.json"
PATH = "/enrolment/v1/applications/app_01jb6x9v3efk7ta1k5h7e3x2wq"
CACHED_PATH = SERVICE_PATH
FEW, MANY = 10, 10_000
FEW_ROUTES, MANY_ROUTES = 10, 1_000
#: A client that may send this often and sends as much as it can, beside one that keeps to its own pace.
FLOODER_PER_SECOND, CALM_PER_SECOND = 200, 300
BOUNDS = {
    "at_most_cpu_us": 250,
    "at_least_per_second": 4_000,
    "at_least_of_direct": 0.85,
    "at_most_added_p50_ms": 0.6,
    "at_most_added_p99_ms": 3.0,
}


QUICK = Extent(rounds=2, seconds=0.8)


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """The table and what follows from it."""
    extent = QUICK if quick else Extent()
    clients = MANY // 10 if quick else MANY
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as name:
        folder = Path(name)
        async with running_stack(Ports(PORT_BASE), folder / "data") as running:
            for process in running.stack.processes:
                pin(process.pid, OTHER_CORE)
            return await Bench(running.stack, folder, extent, clients, Load(folder, extent.seconds)).run()


@dataclass(frozen=True)
class Bench:
    """A stack, and the ways through it."""

    stack: Stack
    folder: Path
    extent: Extent
    clients: int
    load: Load

    async def run(self) -> dict[str, Any]:
        """Every way, round by round."""
        bearers = rig.bearers(self.stack, self.clients)
        one = [request_bytes("GET", f"http://127.0.0.1:{MEASURED}{PATH}", bearers[0])]
        async with (
            rig.application("cme_local.bench.plain_upstream:app", UPSTREAM, OTHER_CORE) as upstream,
            rig.nginx(self.folder / "nginx", NGINX, UPSTREAM) as plain,
            rig.httpx_proxy(HTTPX, UPSTREAM) as proxy,
            rig.gateway(self.stack, MEASURED, self._settings(FEW_ROUTES)) as server,
            rig.gateway(self.stack, MANY_ROUTED, self._settings(MANY_ROUTES)) as of_many_routes,
        ):
            bare = Contender("upstream, direct", upstream, one)
            nginx = [Contender("nginx, plain proxy", plain, one)] if plain else []
            httpx = Contender("FastAPI + httpx, plain proxy", proxy, one)
            edge = Contender("gateway, every policy", server, one, behind=upstream)
            clients = [self._of_clients(server, bearers, count) for count in (FEW, self.clients)]
            routes = Contender(f"  {MANY_ROUTES:,} routes", of_many_routes, one)
            cached = Contender("gateway, public read from the cache", server, [self._get(CACHED_PATH, {})])
            direct, through = self._service(server, bearers[0])
            ways = [bare, *nginx, httpx, edge, *clients, routes, cached, direct, through]
            machine = await take_turns(ways, self.load, self.extent)
            flooded = await self._flooded(bearers)
        added = {"what": "  added at 60 %", "p50 ms": edge.added_ms("p50_ms"), "p99 ms": edge.added_ms("p99_ms")}
        return {
            "rows": [*(way.row() for way in ways), added, *flooded],
            "machine": machine,
            "connections": CONNECTIONS,
            "without_nginx": None if nginx else "install it by: apt-get install nginx-light",
            "of_nginx": edge.times(nginx[0]) if nginx else None,
            "times_httpx": edge.times(httpx),
            "cpu_us": edge.cpu_us,
            "per_second": edge.rate,
            "of_direct": through.times(direct),
            "added_p50_ms": added["p50 ms"],
            "added_p99_ms": added["p99 ms"],
            **BOUNDS,
        }

    def _get(self, path: str, headers: dict[str, str]) -> bytes:
        return request_bytes("GET", f"http://127.0.0.1:{MEASURED}{path}", headers)

    def _of_clients(self, server: Server, bearers: Sequence[dict[str, str]], count: int) -> Contender:
        return Contender(f"  {count:,} clients in turn", server, [self._get(PATH, each) for each in bearers[:count]])

    def _service(self, server: Server, bearer: dict[str, str]) -> tuple[Contender, Contender]:
        """A service of ours, direct and through the gateway."""
        request = [self._get(SERVICE_PATH, bearer)]
        process = psutil.Process(self.stack.pid(SERVICE))
        service = Server(int(self.stack.urls[SERVICE].rpartition(":")[2]), (process,))
        return (
            Contender(f"{SERVICE}, direct", service, request),
            Contender(f"{SERVICE}, through the gateway", server, request),
        )

    async def _flooded(self, bearers: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        """What one client sees while another sends as much as it can."""
        flooder, calm = ([self._get(PATH, each)] for each in bearers[:2])
        limit = f'[[limit]]\nclient = "bench-0"\nper_second = {FLOODER_PER_SECOND}\nburst = {FLOODER_PER_SECOND}\n'
        async with rig.gateway(self.stack, FLOODED, self._settings(FEW_ROUTES, limit)) as server:
            alone, beside = [], []
            for _ in range(self.extent.rounds):
                alone.append(await self.load.well(server.port, calm, CALM_PER_SECOND))
                flood = asyncio.create_task(self.load.run(server.port, flooder, 2 * self.extent.seconds, 2_000))
                beside.append(await self.load.well(server.port, calm, CALM_PER_SECOND))
                await flood
        return [_calm("another client, alone", alone), _calm("  while one floods at 2,000/s", beside)]

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


def _calm(what: str, rounds: list[Seen]) -> dict[str, Any]:
    row = {"what": what, "60 % /s": CALM_PER_SECOND}
    return row | {f"{name} ms": median(getattr(each, f"{name}_ms") for each in rounds) for name in ("p50", "p99")}
