"""What `up` and `demo` print."""

# ruff: noqa: PLC0415 -- rich is loaded on a terminal only

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from cme_local.stack import SandboxClient, Stack

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PAGES = (
    ("API and portal", "gateway", ""),
    ("API reference", "gateway", "/docs"),
    ("Traces", "traces", ""),
    ("Mail", "mail", ""),
)


def curl_line(stack: Stack, client: SandboxClient) -> str:
    """A line that gets an access token and can be pasted as it is."""
    return (
        f"curl -s -u '{client.client_id}:{client.client_secret}' -d grant_type=client_credentials "
        f"{stack.api}/oauth/token"
    )


def print_stack(stack: Stack, seconds: float) -> None:
    """The table of URLs, logins and sandbox clients."""
    out = sys.stdout
    out.write(f"\nReady in {seconds:.1f} s\n\n")
    for label, key, path in PAGES:
        out.write(f"  {label:<16} {stack.urls[key]}{path}\n")
    out.write("\n  Demo logins (user, password)\n")
    for user in stack.users:
        out.write(f"    {user.username:<14} {user.password}\n")
    out.write("\n  Sandbox clients\n")
    for client in stack.clients:
        secret = client.client_secret or ("key in the stack file" if client.private_jwk else "public, PKCE")
        out.write(f"    {client.client_id:<16} {secret}\n")
    with_secret = next((c for c in stack.clients if c.client_secret), None)
    if with_secret is not None:
        out.write(f"\n  Try it:\n    {curl_line(stack, with_secret)}\n")
    out.write("\nCtrl-C stops everything.\n")
    out.flush()


class Progress:
    """Says which process is ready: one line that grows on a terminal, plain lines elsewhere."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self._total = total
        self._ready = 0
        self._quiet = quiet
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def ready(self, name: str) -> None:
        """One more process is ready."""
        self._ready += 1
        if self._quiet:
            return
        text = f"{self._ready}/{self._total} {name} ready after {self.seconds:.1f} s"
        if sys.stderr.isatty():
            end = "\n" if self._ready == self._total else ""
            sys.stderr.write(f"\r\x1b[K{text}{end}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class StageProgress(Protocol):
    """How the player says how far it is."""

    def stage(self, name: str, total: int) -> None:
        """A stage of the pilot year begins, of so many steps."""

    def step(self, count: int = 1) -> None:
        """So many steps of the current stage are done."""


class Stages:
    """Bars on a terminal, one plain line per finished stage elsewhere."""

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0
        self._done = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._close_stage()
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str, total: int) -> None:
        """Begin a stage; the one before is over."""
        self._close_stage()
        self._name, self._total, self._done, self._began = name, total, 0, time.monotonic()
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=total)

    def step(self, count: int = 1) -> None:
        """Advance the current stage."""
        self._done += count
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, count)

    def _close_stage(self) -> None:
        if not self._name:
            return
        if self._bars is not None and self._task is not None:
            self._bars.stop_task(self._task)
        else:
            took = time.monotonic() - self._began
            print(f"{self._name}: {self._done}/{self._total} in {took:.1f} s", file=sys.stderr, flush=True)
        self._name = ""
