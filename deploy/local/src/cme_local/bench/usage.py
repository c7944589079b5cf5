"""CPU and memory of a set of processes while nobody asks them for anything."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

SETTLE_S = 5.0
OBSERVED_S = 20.0
MB = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """What the processes used together."""

    cpu_percent_of_a_core: float
    rss_mb: float
    # Pages that several processes share (libraries) counted once.
    pss_mb: float
    each_rss_mb: dict[str, float]


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def observe(pids: dict[str, int]) -> Usage:
    """Let the processes settle, then watch them for OBSERVED_S."""
    await asyncio.sleep(SETTLE_S)
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    began, before = time.monotonic(), _cpu_seconds(list(processes.values()))
    await asyncio.sleep(OBSERVED_S)
    used = _cpu_seconds(list(processes.values())) - before
    memory = {name: process.memory_full_info() for name, process in processes.items()}
    return Usage(
        cpu_percent_of_a_core=round(used / (time.monotonic() - began) * 100, 2),
        rss_mb=round(sum(m.rss for m in memory.values()) / MB, 1),
        pss_mb=round(sum(m.pss for m in memory.values()) / MB, 1),
        each_rss_mb={name: round(m.rss / MB, 1) for name, m in memory.items()},
    )
