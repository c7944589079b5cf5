"""`cme demo`: the stack comes up and the pilot year is played through its public API."""

# ruff: noqa: PLC0415 -- the player and what draws its report are for a demonstration only

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cme_local.console import Progress, Stages, print_stack
from cme_local.processes import Ports
from cme_local.run import running_stack

if TYPE_CHECKING:
    from rich.console import Console


class Demo:
    """One run of the demonstration."""

    def __init__(self, port_base: int, data: Path, exit_after: bool, json_file: Path | None) -> None:
        self._port_base = port_base
        self._data = data
        self._exit_after = exit_after
        self._json_file = json_file
        self.finished = False

    async def run(self) -> None:
        """Start, play, print and write the table; then stop, or stay up until Ctrl-C.

        Raises:
            StackError: a process did not start, or the pilot could not be played to its end.
        """
        ports = Ports(self._port_base)
        starting = Progress(ports.process_count)
        async with running_stack(ports, self._data, starting.ready) as running:
            from cme_local.pilot import play

            began = time.monotonic()
            with Stages() as stages:
                report = await play(running.stack, stages)
            report.render(_console())
            if self._json_file is not None:
                _write(self._json_file, json.dumps(report.table, indent=1) + "\n")
            self.finished = True
            print(f"The pilot year took {time.monotonic() - began:.1f} s.", flush=True)
            if self._exit_after:
                return
            print_stack(running.stack, starting.seconds)
            if self._json_file is not None:
                print(f"ready: {self._json_file} is complete", flush=True)
            await running.supervisor.failed()


def _write(path: Path, text: str) -> None:
    """In one step: whoever sees the file sees all of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _console() -> "Console":
    from rich.console import Console

    # A pipe has no width of its own; 120 columns keep the links whole.
    return Console() if sys.stdout.isatty() else Console(width=120, no_color=True)
