"""A process that the first connection starts: it inherits the socket, ends when it likes, and comes back when asked."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cme_local.child import ChildSpec
from cme_local.on_demand import OnDemandChild
from cme_local.processes import Group
from cme_local.supervisor import Supervisor

pytestmark = pytest.mark.timeout(60)

#: Answers so many connections with its process id, then ends with a code.
SERVER = """
import os, socket, sys, time
listening = socket.socket(fileno=int(sys.argv[1]))
time.sleep(0.2)
for _ in range(int(sys.argv[2])):
    connection, _ = listening.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
sys.exit(int(sys.argv[3]))
"""


@asynccontextmanager
async def on_demand(
    folder: Path, answers: int, code: int = 0
) -> AsyncIterator[tuple[int, OnDemandChild, list[int | None]]]:
    """The port, the child, and its process id at each change."""
    changes: list[int | None] = []

    async def at_once() -> bool:
        return True

    with socket.create_server(("127.0.0.1", 0)) as listening:
        argv = [sys.executable, "-c", SERVER, str(listening.fileno()), str(answers), str(code)]
        spec = ChildSpec("sleeper", argv, {}, Group.SERVICE, "", at_once, listening=listening)
        supervisor = Supervisor([spec], folder, lambda: changes.append(child.pid))
        child = supervisor.children["sleeper"]
        assert isinstance(child, OnDemandChild)
        await supervisor.start(ready_within_s=5)
        try:
            yield listening.getsockname()[1], child, changes
        finally:
            await supervisor.stop()


async def answer_of(port: int) -> int:
    """The process id that answers a connection, 0 for none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return int(answer or b"0")


async def test_nothing_runs_before_somebody_connects(tmp_path: Path) -> None:
    async with on_demand(tmp_path, answers=1) as (_, child, changes):
        await asyncio.sleep(0.1)

        assert child.pid is None
        assert changes == []


async def test_who_connects_waits_for_the_start_and_finds_one_process(tmp_path: Path) -> None:
    async with on_demand(tmp_path, answers=3) as (port, child, changes):
        pids = await asyncio.gather(*(answer_of(port) for _ in range(3)))

        assert len(set(pids)) == 1
        assert changes[0] == pids[0]
        assert child.restarts == 0


async def test_one_that_ended_comes_back_for_the_next(tmp_path: Path) -> None:
    async with on_demand(tmp_path, answers=1) as (port, child, changes):
        first, second = [await answer_of(port) for _ in range(2)]

        assert first != second
        assert changes[:3] == [first, None, second]
        assert child.restarts == 0


async def test_one_that_fails_is_started_again_and_fails_nobody_else(tmp_path: Path) -> None:
    async with on_demand(tmp_path, answers=1, code=3) as (port, child, _):
        first, second = [await answer_of(port) for _ in range(2)]

        assert first != second
        assert child.restarts >= 1


async def test_stopping_it_while_it_runs_ends_it(tmp_path: Path) -> None:
    async with on_demand(tmp_path, answers=100) as (port, child, _):
        await answer_of(port)

        await child.stop(grace_s=5)

        assert child.pid is None
