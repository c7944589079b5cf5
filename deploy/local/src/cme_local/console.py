"""What `up` and `demo` print."""

# ruff: noqa: PLC0415 -- rich is loaded on a terminal only

import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from cme_local.errors import UserError
from cme_local.login import login_url
from cme_local.stack import SandboxClient, Stack

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PAGES = (
    ("API and portal", "gateway", ""),
    ("API reference", "gateway", "/docs"),
    ("Sandbox", "sandbox", "/courses"),
    ("Traces", "traces", ""),
    ("Mail", "mail", ""),
)


def curl_line(stack: Stack, client: SandboxClient) -> str:
    """A line that gets an access token and can be pasted as it is."""
    return (
        f"curl -s -u '{client.client_id}:{client.client_secret}' -d grant_type=client_credentials "
        f"{stack.api}/oauth/token"
    )


def sandbox_line(stack: Stack, client: SandboxClient) -> str:
    """A line that gets a token of a sandbox client and calls the sandbox with it, and can be pasted as it is."""
    token = f"""$({curl_line(stack, client)} | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')"""
    # The sandbox fills itself when it is called for the first time; curl asks again as Retry-After says.
    return f'curl -sSf --retry 5 -H "Authorization: Bearer {token}" {stack.urls["sandbox"]}/credentials/v1/awards'


def print_stack(stack: Stack, seconds: float) -> None:
    """The table of URLs, logins and sandbox clients."""
    try:
        operator_url = login_url(stack)
    except UserError:  # it is being started again, which is no reason to end the others
        operator_url = "not yet: the operator's pages do not answer"
    out = sys.stdout
    out.write(f"\nReady in {seconds:.1f} s\n\n")
    for label, key, path in PAGES:
        out.write(f"  {label:<16} {stack.urls[key]}{path}\n")
    out.write(f"\n  Operator's sign-in, once (a new one: ./cme login)\n    {operator_url}\n")
    out.write("\n  Demo logins (user, password)\n")
    for user in stack.users:
        out.write(f"    {user.username:<14} {user.password}\n")
    out.write("\n  Clients\n")
    for client in stack.clients:
        secret = client.client_secret or ("key in the stack file" if client.private_jwk else "public, PKCE")
        out.write(f"    {client.client_id:<16} {secret}{'  (sandbox)' if client.sandbox else ''}\n")
    with_secret = [client for client in stack.clients if client.client_secret]
    for client in [c for c in with_secret if not c.sandbox][:1]:
        out.write(f"\n  A token of the platform:\n    {curl_line(stack, client)}\n")
    for client in [c for c in with_secret if c.sandbox][:1]:
        out.write(f"\n  A first call of the sandbox:\n    {sandbox_line(stack, client)}\n")
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
    """How the player says how far it is. Tasks that run side by side each have a stage of their own."""

    def stage(self, name: str, total: int) -> None:
        """A stage of the pilot year begins, of so many steps."""

    def step(self, count: int = 1) -> None:
        """So many steps of this task's stage are done."""

    def over(self) -> None:
        """This task's stage is over."""


@dataclass
class _Stage:
    name: str
    total: int
    began: float
    bar: "TaskID | None" = None
    done: int = 0


class Stages:
    """Bars on a terminal, one plain line per finished stage elsewhere."""

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        # A task starts with a copy of its maker's context: what it does counts for the stage that it was made in.
        self._current: ContextVar[_Stage | None] = ContextVar("stage", default=None)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str, total: int) -> None:
        """Begin a stage."""
        bar = self._bars.add_task(name, total=total) if self._bars is not None else None
        self._current.set(_Stage(name, total, time.monotonic(), bar))

    def step(self, count: int = 1) -> None:
        """Advance this task's stage."""
        stage = self._current.get()
        assert stage is not None
        stage.done += count
        if self._bars is not None and stage.bar is not None:
            self._bars.advance(stage.bar, count)

    def over(self) -> None:
        """End this task's stage."""
        stage = self._current.get()
        if stage is None:
            return
        if self._bars is not None and stage.bar is not None:
            self._bars.stop_task(stage.bar)
        else:
            took = time.monotonic() - stage.began
            print(f"{stage.name}: {stage.done}/{stage.total} in {took:.1f} s", file=sys.stderr, flush=True)
        self._current.set(None)
