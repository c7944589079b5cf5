import asyncio
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cme_contracts import Event
from cme_contracts.enrolment import OrganisationRegistered
from cme_kit import consumers, mongo
from cme_kit.testing import Engines, _engine, _wait_for, eventually, free_port

from .conftest import Consuming, Starter, after, envelope, organisation


@dataclass
class OwnDatabase:
    """A database server of one test, which may stop and start it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [_engine("secantusd-py"), "--port", str(self.port), "--storage-path", str(self.folder / "db")]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([*command, "--sync-on-commit"], stdout=quiet, stderr=quiet, cwd=self.folder)
        _wait_for(self.port, self.process)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OwnDatabase]:
    own = OwnDatabase(tmp_path, free_port())
    own.start()
    yield own
    own.end()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule that is over long before the database is back."""
    monkeypatch.setattr(consumers, "RETRY_DELAYS", (0.01, 0.01))
    monkeypatch.setattr(mongo, "TIMEOUT_MS", 700)


async def all_applied(consuming: Consuming, labels: list[str]) -> None:
    async def done() -> bool:
        try:
            return len(await consuming.applied()) >= len(labels)
        except mongo.PyMongoError:
            return False

    await eventually(done, 40)
    assert await consuming.applied() == labels
    assert await consuming.letters() == []


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
async def test_a_database_that_is_away_makes_no_dead_letter(
    start: Starter, engines: Engines, database: OwnDatabase, killed: bool
) -> None:
    own = Engines(f"mongodb://127.0.0.1:{database.port}/?directConnection=true", engines.nats_url)
    async with start(own) as consuming:
        await consuming.send(envelope("org_1", 1, organisation("0")))
        await all_applied(consuming, ["0"])

        database.end() if killed else database.send(signal.SIGSTOP)
        for number in range(1, 4):
            before = after(OrganisationRegistered, number)
            await consuming.send(envelope("org_1", number + 1, organisation(str(number)), before))
        await asyncio.sleep(4)
        assert await consuming.letters() == []
        database.start() if killed else database.send(signal.SIGCONT)

        await all_applied(consuming, ["0", "1", "2", "3"])


async def test_a_handler_that_a_database_refuses_while_it_answers_is_at_fault(
    start: Starter, engines: Engines, database: OwnDatabase
) -> None:
    async def refused(_event: Event) -> None:
        raise mongo.PyMongoError("this handler asked for something impossible")

    own = Engines(f"mongodb://127.0.0.1:{database.port}/?directConnection=true", engines.nats_url)
    async with start(own) as consuming:
        consuming.hooks.append(refused)
        await consuming.send(envelope("org_1", 1, organisation("1")))

        [letter] = await eventually(consuming.letters, 30)

        assert letter["attempts"] == 3
        assert "impossible" in letter["reason"]
