"""A process that runs while somebody needs it: started by the first connection to its socket, ended by itself."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cme_local.child import SETTLED_S, Child, ChildSpec

LONGEST_PAUSE_S = 30.0


class OnDemandChild(Child):
    """Waits for a connection, runs the process until it ends, and waits again.

    The socket stays open here: who connects while the process starts, or just when it ends, waits in the backlog. The
    rest of the stack goes on without it, so that its deaths are no failure of the stack.
    """

    def __init__(self, spec: ChildSpec, logs: Path, on_change: Callable[[], None]) -> None:
        super().__init__(spec, logs, on_change)
        #: Somebody connects, or it shall stop.
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Run the process whenever somebody asks for it; return after `stop`."""
        self.ready.set()
        deaths = 0
        while not self._stopping:
            await self._somebody_asks()
            await self._wanted.wait()
            if self._stopping:
                return
            self._asked.clear()
            began = time.monotonic()
            code = await self._run_once()
            self._on_change()
            if self._stopping or code == 0:
                deaths = 0
                continue
            self.restarts += 1
            if self.spec.after_death is not None:
                await self.spec.after_death()
            deaths = deaths + 1 if time.monotonic() - began < SETTLED_S else 1
            with suppress(TimeoutError):
                async with asyncio.timeout(min(0.5 * 2**deaths, LONGEST_PAUSE_S)):
                    await self._asked.wait()  # here only `stop` sets it

    async def _somebody_asks(self) -> None:
        assert self.spec.listening is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(self.spec.listening, self._asked.set)
        try:
            await self._asked.wait()
        finally:
            loop.remove_reader(self.spec.listening)

    async def stop(self, grace_s: float) -> None:
        """Start it no more, and stop it when it runs."""
        self._stopping = True
        self._asked.set()
        await super().stop(grace_s)
