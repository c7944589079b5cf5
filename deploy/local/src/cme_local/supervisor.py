"""Starts all processes at once, keeps them running, and stops them in order."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cme_local.child import Child, ChildSpec, tail
from cme_local.errors import StackError
from cme_local.on_demand import OnDemandChild
from cme_local.processes import Group

GRACE_S = {Group.SERVICE: 12.0, Group.GATEWAY: 5.0, Group.OPERATIONS: 3.0, Group.ENGINE: 10.0}


class Supervisor:
    """The processes of one stack."""

    def __init__(self, specs: Sequence[ChildSpec], logs: Path, on_change: Callable[[], None] = lambda: None) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        for spec in specs:
            log = logs / f"{spec.name}.log"
            if log.exists():
                log.replace(logs / f"{spec.name}.1.log")
        self.children = {
            spec.name: (Child if spec.listening is None else OnDemandChild)(spec, logs, on_change) for spec in specs
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] | None = None

    async def start(self, ready_within_s: float, on_ready: Callable[[str], None] = lambda _: None) -> None:
        """Start everything concurrently and return when all are ready; raise StackError otherwise."""
        self._failure = asyncio.get_running_loop().create_future()
        for child in self.children.values():
            task = asyncio.create_task(child.run(), name=child.spec.name)
            task.add_done_callback(self._note_failure)
            self._tasks.append(task)
        waiting = asyncio.create_task(self._all_ready(on_ready))
        done, _ = await asyncio.wait(
            {waiting, self._failure}, timeout=ready_within_s, return_when=asyncio.FIRST_COMPLETED
        )
        if waiting in done:
            return
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        if self._failure.done():
            self._failure.result()
        late = [child for child in self.children.values() if not child.ready.is_set()]
        names = ", ".join(child.spec.name for child in late)
        raise StackError(
            f"Not ready after {ready_within_s:.0f} s: {names}. Logs: {late[0].log.parent}", tail(late[0].log)
        )

    async def _all_ready(self, on_ready: Callable[[str], None]) -> None:
        at_once = [child for child in self.children.values() if child.spec.listening is None]
        await asyncio.gather(*(self._announce(child, on_ready) for child in at_once))

    async def _announce(self, child: Child, on_ready: Callable[[str], None]) -> None:
        await child.ready.wait()
        on_ready(child.spec.name)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(failure)

    async def failed(self) -> None:
        """Wait until a process gives up for good; raises its StackError."""
        if self._failure is not None:
            await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop group after group: services, gateway, trace store and mail catcher, engines."""
        for group in Group:
            await asyncio.gather(*(c.stop(GRACE_S[group]) for c in self.children.values() if c.spec.group is group))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None and self._failure.done():
            # Seen here at the latest, so that asyncio does not report it again as never retrieved.
            self._failure.exception()

    def kill(self) -> None:
        """SIGKILL everything at once, for a second Ctrl-C."""
        for child in self.children.values():
            child.kill()
