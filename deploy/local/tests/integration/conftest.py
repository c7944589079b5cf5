"""A `cme up` of its own: real supervisor, engines, trace store and mail catcher; stand-ins for the six deployables."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from cme_local.preflight import free_bases
from cme_local.processes import DEPLOYABLES

T = TypeVar("T")
STARTS_WITHIN_S = 40


def free_base() -> int:
    """The first of a range of free ports for a stack."""
    return next(free_bases(range(21000, 32000, 20)))


def eventually(look: Callable[[], T], within_s: float = 10) -> T:
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {within_s} s")
        time.sleep(0.05)
    return seen


@dataclass
class Up:
    """A running `cme up`."""

    process: subprocess.Popen[bytes]
    base: int
    data: Path

    @property
    def stack_file(self) -> Path:
        return self.data / "stack.json"

    def stack(self) -> dict[str, Any]:
        assert self.stack_file.exists(), self.log()
        document: dict[str, Any] = json.loads(self.stack_file.read_text())
        return document

    def pids(self) -> dict[str, int]:
        return {process["name"]: process["pid"] for process in self.stack()["processes"]}

    def log(self) -> str:
        return (self.data.parent / "up.log").read_text()


@dataclass
class Launcher:
    """Starts `cme` commands and leaves none behind."""

    folder: Path
    #: Stand-ins for the six deployables, or they themselves.
    standins: bool = True
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, base: int, data: Path | None = None) -> Up:
        """`cme up`, not waited for."""
        data = data or self.folder / "data"
        with (self.folder / "up.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(base, data), env=self.environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.processes.append(process)
        return Up(process, base, data)

    def up(self, base: int | None = None) -> Up:
        """`cme up`, ready."""
        started = self.start(base or free_base())

        def ready() -> bool:
            assert started.process.poll() is None, started.log()
            return started.stack_file.exists()

        eventually(ready, STARTS_WITHIN_S)
        return started

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        command = [sys.executable, "-m", "cme_local", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=60, check=False)

    def command(self, base: int, data: Path) -> list[str]:
        return [sys.executable, "-m", "cme_local", "up", "--port-base", str(base), "--data", str(data)]

    def environment(self) -> dict[str, str]:
        return os.environ | ({"PYTHONPATH": str(self.folder / "standins")} if self.standins else {})

    def stop(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    for deployable in DEPLOYABLES:
        package = tmp_path / "standins" / deployable.module
        package.mkdir(parents=True)
        # In front of the real package, whose other modules the stack's own processes import.
        (package / "__init__.py").write_text("__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n")
        shutil.copy(Path(__file__).with_name("standin.py"), package / "__main__.py")
    made = Launcher(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def real_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack with its real deployables, for all tests that want it."""
    made = Launcher(tmp_path_factory.mktemp("real"), standins=False)
    try:
        yield made.up()
    finally:
        made.stop()


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
