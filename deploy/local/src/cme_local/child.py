"""One process of the stack: started so that it cannot outlive the supervisor, restarted when it dies."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cme_local.errors import StackError
from cme_local.processes import Group

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the code between fork and exec must not import or allocate more than it has to.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

QUICK_DEATH_S = 1.0
SETTLED_S = 10.0
MAX_QUICK_DEATHS = 5


@dataclass(frozen=True)
class ChildSpec:
    """What to run and how to see that it is ready."""

    name: str
    argv: list[str]
    env: dict[str, str]
    group: Group
    url: str
    is_ready: Callable[[], Awaitable[bool]]
    #: Keep all its threads on one core: what holds one lock most of the time only fights itself over two.
    one_core: bool = False
    #: What to clear away after it died, before it starts again.
    after_death: Callable[[], Awaitable[None]] | None = None
    #: A listening socket: the process is started when somebody connects to it, and inherits it.
    listening: socket.socket | None = None


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


class Child:
    """Runs one ChildSpec until told to stop."""

    def __init__(self, spec: ChildSpec, logs: Path, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.ready = asyncio.Event()
        self.restarts = 0
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and alive else None

    async def run(self) -> None:
        """Keep the process running; return after `stop`, raise StackError when it keeps dying."""
        quick_deaths = 0
        while not self._stopping:
            started = time.monotonic()
            code = await self._run_once()
            if self._stopping:
                return
            lived = time.monotonic() - started
            was_ready = self.ready.is_set()
            self.ready.clear()
            if lived >= SETTLED_S:
                quick_deaths = 0
            if lived < QUICK_DEATH_S or not was_ready:
                quick_deaths += 1
            if quick_deaths >= MAX_QUICK_DEATHS:
                raise StackError(
                    f"{self.spec.name} died {quick_deaths} times in a row ({_cause(code)}). Its log: {self.log}",
                    tail(self.log),
                )
            self.restarts += 1
            if self.spec.after_death is not None:
                await self.spec.after_death()
            if quick_deaths > 1:
                await asyncio.sleep(0.2 * 2 ** (quick_deaths - 2))
            await self._wanted.wait()

    async def _run_once(self) -> int:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=self.spec.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C reaches the supervisor alone, which stops everything in order.
                start_new_session=True,
                pass_fds=() if self.spec.listening is None else (self.spec.listening.fileno(),),
                preexec_fn=_before_exec(os.getpid(), self.spec.one_core),
            )
        if self._stopping:
            # stop() came while the process was being created and could not see it.
            self._process.terminate()
        self._on_change()
        watching = asyncio.create_task(self._watch_until_ready())
        try:
            return await self._process.wait()
        finally:
            watching.cancel()
            # What the process itself had started would otherwise stay behind.
            _signal_group(self._process.pid, signal.SIGKILL)

    async def _watch_until_ready(self) -> None:
        while not await self.spec.is_ready():  # noqa: ASYNC110 -- another process cannot set an Event
            await asyncio.sleep(0.1)
        self.ready.set()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after the grace."""
        self._stopping = True
        self._wanted.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            self.kill()
            await process.wait()

    def hold(self) -> None:
        """SIGKILL, and no restart before `release`: for what is done to a process that is down."""
        self._wanted.clear()
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Start again what is held."""
        self._wanted.set()

    def kill(self) -> None:
        """SIGKILL for the process and all it started."""
        self._stopping = True
        if self.pid is not None:
            _signal_group(self.pid, signal.SIGKILL)


def _cause(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _signal_group(pid: int, number: signal.Signals) -> None:
    # An empty group is what was wanted.
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _before_exec(parent: int, one_core: bool) -> Callable[[], None] | None:
    """What the child does before exec, on Linux: it dies with the supervisor (prctl(2)) and keeps to its core."""
    libc = _LIBC
    if libc is None:
        return None
    cores = {max(os.sched_getaffinity(0))}

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        if one_core:
            os.sched_setaffinity(0, cores)

    return prepare
