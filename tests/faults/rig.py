"""A stack under experiment: every connection of a service goes through a proxy, every process can be hurt by name."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import permutations
from pathlib import Path

from cme_local.child import Child
from cme_local.engines import mongo_url
from cme_local.environment import AS_IN_IMAGE
from cme_local.http_probe import status_of
from cme_local.preflight import free_bases
from cme_local.processes import SERVICES, Ports
from cme_local.run import Running, running_stack

from .disks import Disk
from .proxy import Proxy
from .stores import Stores
from .stores import opened as open_stores
from .workload import Api
from .workload import opened as open_api

PORT_BASE = 12700
#: Of one stack, its proxies included.
PORTS = 60
SCOPES = "enrolment.organisations:write operations:read operations:write"
INSIDE = Path(__file__).parent / "inside"
#: The database's recovery needs room beside its log.
SMALL_DISKS_MB = {"mongo": 250, "nats": 60}
QUIET_WITHIN_S = 150.0
READY_WITHIN_S = 90.0


class Broken(Exception):
    """The platform did not come back: the experiment cannot end well."""


@dataclass
class Rig:
    """One running stack and the tools to hurt it."""

    running: Running
    stores: Stores
    api: Api
    #: By (deployable, what it connects to).
    links: dict[tuple[str, str], Proxy]
    spent: Path
    spare_port: int
    #: Small disks under the engines' data, on a stack that has them.
    disks: dict[str, Disk] = field(default_factory=dict)
    _armed: int = 0
    _told: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """Every process."""
        return list(self.running.supervisor.children)

    @property
    def nodes(self) -> list[str]:
        """The servers of the broker."""
        return [name for name in self.names if name.startswith("nats")]

    def pid(self, name: str) -> int:
        """The process id of a process that runs."""
        pid = self.running.supervisor.children[name].pid
        if pid is None:
            raise Broken(f"{name} does not run")
        return pid

    def kill(self, *names: str) -> None:
        """SIGKILL, all at once; the supervisor starts them again."""
        for pid in [self.pid(name) for name in names]:
            os.kill(pid, signal.SIGKILL)

    async def kill_and_wait(self, *names: str) -> None:
        """SIGKILL, and wait until all are ready again."""
        before = {name: self.pid(name) for name in names}
        self.kill(*names)
        for name, pid in before.items():
            await self.until(
                lambda name=name, pid=pid: self.running.supervisor.children[name].pid != pid, f"{name} dies"
            )
        await self.ready(*names)

    async def ready(self, *names: str) -> None:
        """Wait until these (all, when none is named) are ready."""
        for name in names or self.names:
            child = self.running.supervisor.children[name]
            try:
                async with asyncio.timeout(READY_WITHIN_S):
                    await child.ready.wait()
            except TimeoutError:
                raise Broken(f"{name} is not ready after {READY_WITHIN_S:.0f} s") from None

    def hold(self, name: str) -> None:
        """SIGKILL, and no restart before `release`."""
        self.running.supervisor.children[name].hold()

    async def release(self, *names: str) -> None:
        """Start what is held, and wait until it is ready."""
        children = [self.running.supervisor.children[name] for name in names]
        for child in children:
            child.release()
        await self.until(lambda: all(child.pid is not None for child in children), f"{names} start")
        await self.ready(*names)

    @asynccontextmanager
    async def frozen(self, *names: str) -> AsyncIterator[None]:
        """SIGSTOP inside the block."""
        pids = [self.pid(name) for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    async def arm(self, service: str, failpoints: str) -> Callable[[], bool]:
        """Restart a service with failpoints, each of which fires once; says whether they all have."""
        self._armed += 1
        folder = self.spent / str(self._armed)
        folder.mkdir()
        await self.restart_with(service, FAILPOINTS=failpoints, FAILPOINTS_SPENT=str(folder))
        wanted = {item.partition("=")[0] for item in failpoints.split(",")}
        return lambda: wanted == {fired.name for fired in folder.iterdir()}

    async def restart_with(self, service: str, **environment: str) -> None:
        """Restart a service with these settings of an experiment; an empty one is taken away."""
        env = self.running.supervisor.children[service].spec.env
        env.update(environment)
        for name in [name for name, value in environment.items() if not value]:
            del env[name]
        await self.restart(service)

    @asynccontextmanager
    async def replica(self, service: str, **environment: str) -> AsyncIterator[int]:
        """A second process of a service, on a port of its own and with settings of its own, inside the block."""
        spec = self.running.supervisor.children[service].spec
        port = self.spare_port
        url = f"http://127.0.0.1:{port}"

        async def is_ready() -> bool:
            return await status_of(f"{url}/health/ready") == HTTPStatus.OK

        env = spec.env | {"CME_PORT": str(port)} | environment
        second = replace(spec, name=f"{service}-replica", env=env, url=url, is_ready=is_ready)
        child = Child(second, self.running.data / "logs", lambda: None)
        running = asyncio.create_task(child.run())
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await child.ready.wait()
            yield port
        finally:
            await child.stop(12)
            await running

    def route(self, service: str, port: int | None = None) -> None:
        """Let the gateway reach a service at another port, or at its own again."""
        link = self.links["gateway", service]
        link.target = port or int(self.running.stack.urls[service].rpartition(":")[2])
        link.cut()

    async def restart(self, name: str) -> None:
        """SIGTERM, and wait until it is ready again."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGTERM)
        await self.until(lambda: self.running.supervisor.children[name].pid not in {pid, None}, f"{name} restarts")
        await self.ready(name)

    async def until(self, holds: Callable[[], bool], what: str, within_s: float = READY_WITHIN_S) -> None:
        """Wait until something holds. Raises Broken."""
        give_up = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > give_up:
                raise Broken(f"waited {within_s:.0f} s in vain: {what}")
            await asyncio.sleep(0.02)

    async def newly_wrong(self) -> list[str]:
        """What the reconciler finds in all records of all services and has not told before."""
        found = [text for text in await self.stores.contradictions() if text not in self._told]
        self._told.update(found)
        return found

    async def quiet(self) -> dict[str, int]:
        """Wait until nothing is under way, seen twice; what still is, when that takes too long."""
        give_up = time.monotonic() + QUIET_WITHIN_S
        calm = 0
        while True:
            try:
                waiting = await self.stores.waiting()
            except Exception as error:  # noqa: BLE001  (an engine that comes back: whatever it says meanwhile)
                waiting = {f"engines ({type(error).__name__})": 1}
            calm = calm + 1 if not waiting else 0
            if calm == 2 or time.monotonic() > give_up:
                return waiting
            await asyncio.sleep(0.1)

    def heal(self) -> None:
        """End every fault of the network."""
        for link in self.links.values():
            link.heal()


def _links(ports: Ports, proxy_ports: range, dice: random.Random) -> dict[tuple[str, str], Proxy]:
    """A proxy for each deployable to each engine, for the gateway to each service, between the servers of the broker."""
    free = iter(proxy_ports)
    wanted = [((who, node.name), node.port) for who in (*SERVICES, "gateway") for node in ports.broker]
    wanted += [((one.name, other.name), other.routes) for one, other in permutations(ports.broker, 2)]
    wanted += [((who, "mongo"), ports.mongo) for who in (*SERVICES, "gateway")]
    wanted += [(("gateway", service), ports.of(service)) for service in SERVICES]
    return {link: Proxy(next(free), target, dice) for link, target in wanted}


def _environment(ports: Ports, links: dict[tuple[str, str], Proxy], broken: str) -> dict[str, dict[str, str]]:
    through = mongo_url(ports)
    added: dict[str, dict[str, str]] = {
        who: {"CME_MONGO_URL": through.replace(str(ports.mongo), str(links[who, "mongo"].port))}
        for who in (*SERVICES, "gateway")
    }
    for who in (*SERVICES, "gateway"):
        added[who]["CME_NATS_URL"] = ",".join(f"nats://127.0.0.1:{links[who, node.name].port}" for node in ports.broker)
    for service in SERVICES:
        added[service]["PYTHONPATH"] = os.pathsep.join((str(INSIDE), str(AS_IN_IMAGE)))
        if broken:
            added[service]["FAULTS_BROKEN"] = broken
    added["gateway"]["CME_UPSTREAMS"] = json.dumps(
        {service: ports.url(links["gateway", service].port) for service in SERVICES}
    )
    return added


@asynccontextmanager
async def rigged(
    dice: random.Random, broken: str = "", folder: Path | None = None, nats_nodes: int = 1
) -> AsyncIterator[Rig]:
    """A stack of its own with every connection proxied; gone with its data after the block.

    `broken` takes the outbox or the inbox away.
    """
    base = next(free_bases(range(PORT_BASE, PORT_BASE + 4000, PORTS), PORTS))
    ports = Ports(base, nats_nodes)
    links = _links(ports, range(base + 20, base + PORTS - 1), dice)
    pairs = permutations((node.name for node in ports.broker), 2)
    ports = replace(ports, route_proxies={pair: links[pair].port for pair in pairs})
    folder = folder or Path(tempfile.mkdtemp(prefix="cme-faults-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for link in links.values():
            await stack.enter_async_context(link.serving())
        environment = _environment(ports, links, broken)
        running = await stack.enter_async_context(running_stack(ports, folder / "data", extra_env=environment))
        stores = await stack.enter_async_context(open_stores(running.stack))
        api = await stack.enter_async_context(open_api(running.stack, SCOPES))
        spent = folder / "spent"
        spent.mkdir()
        rig = Rig(running, stores, api, links, spent, base + PORTS - 1)
        await rig.ready()
        await rig.quiet()
        yield rig


@asynccontextmanager
async def rigged_on_small_disks(dice: random.Random, broken: str = "") -> AsyncIterator[Rig]:
    """A stack whose engines have a disk each. Raises NotPossible where nothing can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="cme-faults-"))
    data = folder / "data"
    data.mkdir()
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        disks = {
            engine: await stack.enter_async_context(Disk(folder / f"{engine}.img", data / engine, size).in_place())
            for engine, size in SMALL_DISKS_MB.items()
        }
        rig = await stack.enter_async_context(rigged(dice, broken, folder))
        rig.disks = disks
        yield rig
