"""`./cme demo` as a person runs it: a process of its own, with its own data directory and ports."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from cme_local.preflight import free_bases
from cme_local.processes import project_root

Seen = TypeVar("Seen")


def free_base() -> int:
    """The first of a range of free ports for a stack."""
    return next(free_bases(range(23000, 32000, 20)))


@dataclass
class DemoRun:
    """A running or finished `./cme demo`."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def stack_file(self) -> Path:
        return self.folder / "data" / "stack.json"

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    def table(self) -> dict[str, Any]:
        return json.loads((self.folder / "table.json").read_text())

    def stack(self) -> dict[str, Any]:
        assert self.stack_file.exists(), f"the stack is gone:\n{self.output[-4000:]}"
        return json.loads(self.stack_file.read_text())

    def pids(self) -> dict[str, int]:
        return {process["name"]: process["pid"] for process in self.stack()["processes"]}

    def eventually(self, look: Callable[[], Seen], within_s: float) -> Seen:
        """What `look` sees once it sees something; fails when the demo ends before, or it takes too long."""
        deadline = time.monotonic() + within_s
        while not (seen := look()):
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                pytest.fail(f"{'the demo ended' if ended else 'waited in vain'}:\n{self.output[-4000:]}")
            time.sleep(0.1)
        return seen

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def start_demo(folder: Path, *options: str) -> DemoRun:
    """Start the demonstration in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [project_root() / "cme", "demo", "--json", folder / "table.json", "--data", folder / "data"]
    command += ["--port-base", str(free_base()), *options]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    return DemoRun(process, folder)


def stop(run: DemoRun) -> None:
    """End the demonstration if a failed test left it running."""
    if run.process.poll() is None:
        run.process.terminate()
        run.process.wait(60)
