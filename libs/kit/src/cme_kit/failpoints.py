"""Moments at which an experiment may kill, break or delay this process; armed by the environment only.

`FAILPOINTS="relay.published=kill@3,consumer.committed=sleep:2"`: at the third pass of the first moment the process is
killed, at the first pass of the second one it waits for two seconds. Each fires once in a process, and once for all
processes when `FAILPOINTS_SPENT` names a folder: a process that was killed is not killed again after its restart.
Without the variable a moment costs one comparison.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path


class Injected(OSError):
    """The failure that an armed moment raises."""


@dataclass
class _Armed:
    action: str
    passes_left: int


def _parse(text: str) -> dict[str, _Armed]:
    armed = {}
    for item in filter(None, text.split(",")):
        name, _, action = item.partition("=")
        action, _, number = action.partition("@")
        if action not in {"kill", "error"} and not action.startswith("sleep:"):
            raise ValueError(f"FAILPOINTS: {item!r} is not NAME=kill|error|sleep:SECONDS, with @N for the N-th pass")
        armed[name] = _Armed(action, int(number or 1))
    return armed


_armed = _parse(os.environ.get("FAILPOINTS", ""))


async def failpoint(name: str) -> None:
    """Do what this moment is armed for. Raises Injected for `error`."""
    if not _armed:
        return
    armed = _armed.get(name)
    if armed is None:
        return
    armed.passes_left -= 1
    if armed.passes_left > 0 or not _spend(name):
        return
    del _armed[name]
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "error":
        raise Injected(f"failpoint {name}")
    await asyncio.sleep(float(armed.action.removeprefix("sleep:")))


def _spend(name: str) -> bool:
    """Whether this is the first process for which the moment fires."""
    folder = os.environ.get("FAILPOINTS_SPENT")
    if folder is None:
        return True
    try:
        (Path(folder) / name).touch(exist_ok=False)
    except FileExistsError:
        _armed.pop(name, None)
        return False
    return True
