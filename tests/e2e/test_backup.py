"""Backup of a stack under load, the loss of everything, and a restore into an empty directory."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from cme_local.backup import making, restoring
from cme_local.check import Report, run_check
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from cme_local.stack import Stack, stack_file
from pymongo import MongoClient

from ..demo_runs import free_base  # noqa: TID252  (the folders of tests are no packages)
from ..faults.workload import Workload, opened  # noqa: TID252

pytestmark = pytest.mark.timeout(400)
BEFORE, MEANWHILE = 30, 30
READY_WITHIN_S = 120


@contextmanager
def up(data: Path, port_base: int) -> Iterator[Stack]:
    """`./cme up` as a process of its own; all of it is killed at the end of the block."""
    data.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cme_local", "up", "--data", str(data), "--port-base", str(port_base)]
    with (data.parent / "output.txt").open("wb") as output:
        supervisor = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        give_up = time.monotonic() + READY_WITHIN_S
        while not stack_file(data).exists():
            assert supervisor.poll() is None, (data.parent / "output.txt").read_text()[-2000:]
            assert time.monotonic() < give_up
            time.sleep(0.2)
        yield Stack.of_running(data)
    finally:
        everything = [psutil.Process(supervisor.pid), *psutil.Process(supervisor.pid).children(recursive=True)]
        for process in everything:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        supervisor.wait()
        psutil.wait_procs(everything)


async def audited(stack: Stack) -> Report:
    password = load_or_create(stack.data).nats_passwords[NATS_TOOL_USER]
    return await run_check(stack.urls["mongo"], stack.urls["nats"], NATS_TOOL_USER, password)


@asynccontextmanager
async def writing(stack: Stack, run: str) -> AsyncIterator[Workload]:
    async with opened(stack) as api:
        workload = Workload(api, run)
        driving = asyncio.create_task(workload.drive())
        try:
            yield workload
        finally:
            workload.stop()
            await driving


async def test_what_was_acknowledged_before_a_backup_under_load_survives_the_loss_of_everything(
    tmp_path: Path,
) -> None:
    base, file = free_base(), tmp_path / "cme.backup"
    lost, new = tmp_path / "lost" / "data", tmp_path / "new" / "data"

    with up(lost, base) as stack:
        async with writing(stack, "backup") as workload:
            assert await workload.acknowledge(BEFORE)
            before = dict(workload.told.acknowledged)
            assert await asyncio.to_thread(making.run, lost, file) == 0
            assert await workload.acknowledge(MEANWHILE)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await asyncio.to_thread(restoring.run, file, new) == 0

    with up(new, base) as stack:
        report = await audited(stack)
        with MongoClient[dict[str, Any]](stack.urls["mongo"]) as client:
            kept = {row["_id"] for row in client["enrolment"]["organisations"].find({}, {"_id": 1})}
            applied = {row["_id"] for row in client["outreach"]["organisations"].find({}, {"_id": 1})}
        async with writing(stack, "afterwards") as workload:
            assert await workload.acknowledge(5)

    assert report.ok, json.dumps(report.as_json(), indent=1)
    assert set(before.values()) <= kept
    assert applied <= kept
