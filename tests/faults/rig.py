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
from dataclasses import dataclass, field
from pathlib import Path

from cme_local.engines import mongo_url
from cme_local.environment import AS_IN_IMAGE
from cme_local.preflight import free_bases
from cme_local.processes import SERVICES, Ports
from cme_local.run import Running, running_stack
from pymongo.errors import PyMongoError

from .proxy import Proxy
from .stores import Stores
from .stores import opened as open_stores
from .workload import Api
from .workload import opened as open_api

INSIDE = Path(__file__).parent / "inside"
QUIET_WITHIN_S = 150.0
READY_WITHIN_S = 90.0
PASSING_TROUBLE = (PyMongoError, OSError, TimeoutError)


class NotPossible(Exception):
    """This machine does not allow an experiment; says why."""


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
    checks: bool = True
    _armed: int = field(default=0)

    @property
    def names(self) -> list[str]:
        """Every process."""
        return list(self.running.supervisor.children)

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

    def release(self, name: str) -> None:
        """Start what is held."""
        self.running.supervisor.children[name].release()

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

    async def arm(self, service: str, failpoints: str, **environment: str) -> Callable[[], bool]:
        """Restart a service with failpoints; says afterwards whether they all fired."""
        self._armed += 1
        folder = self.spent / str(self._armed)
        folder.mkdir()
        env = self.running.supervisor.children[service].spec.env
        env.update({"FAILPOINTS": failpoints, "FAILPOINTS_SPENT": str(folder), **environment})
        await self.restart(service)
        for name in ("FAILPOINTS", "FAILPOINTS_SPENT", *environment):
            # The armed process has read them; those that follow it are as they were.
            del env[name]
        wanted = {item.partition("=")[0] for item in failpoints.split(",")}
        return lambda: wanted == {fired.name for fired in folder.iterdir()}

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
    """A proxy for each service to each engine, and for the gateway to each service."""
    free = iter(proxy_ports)
    wanted = [((service, "nats"), ports.nats) for service in SERVICES]
    wanted += [((who, "mongo"), ports.mongo) for who in (*SERVICES, "gateway")]
    wanted += [(("gateway", service), ports.of(service)) for service in SERVICES]
    return {link: Proxy(next(free), target, dice) for link, target in wanted}


def _environment(ports: Ports, links: dict[tuple[str, str], Proxy], broken: str) -> dict[str, dict[str, str]]:
    through = mongo_url(ports)
    added: dict[str, dict[str, str]] = {
        who: {"CME_MONGO_URL": through.replace(str(ports.mongo), str(links[who, "mongo"].port))}
        for who in (*SERVICES, "gateway")
    }
    for service in SERVICES:
        added[service] |= {
            "CME_NATS_URL": f"nats://127.0.0.1:{links[service, 'nats'].port}",
            "PYTHONPATH": os.pathsep.join((str(INSIDE), str(AS_IN_IMAGE))),
        }
        if broken:
            added[service]["FAULTS_BROKEN"] = broken
    added["gateway"]["CME_UPSTREAMS"] = json.dumps(
        {service: ports.url(links["gateway", service].port) for service in SERVICES}
    )
    return added


@asynccontextmanager
async def rigged(dice: random.Random, broken: str = "", port_base: int | None = None) -> AsyncIterator[Rig]:
    """A stack of its own with every connection proxied; gone with its data after the block.

    `broken` takes the outbox or the inbox away.
    """
    base = port_base or next(free_bases(range(12700, 12900, 40)), None) or next(free_bases(range(33000, 40000, 40)))
    ports = Ports(base)
    links = _links(ports, range(base + 20, base + 40), dice)
    folder = Path(tempfile.mkdtemp(prefix="cme-faults-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for link in links.values():
            await stack.enter_async_context(link.serving())
        environment = _environment(ports, links, broken)
        running = await stack.enter_async_context(running_stack(base, folder / "data", extra_env=environment))
        stores = await stack.enter_async_context(open_stores(running.stack))
        api = await stack.enter_async_context(open_api(running.stack, "enrolment.organisations:write operations:read"))
        spent = folder / "spent"
        spent.mkdir()
        rig = Rig(running, stores, api, links, spent, checks=not broken)
        await rig.ready()
        yield rig
