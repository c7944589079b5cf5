import asyncio
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from cme_kit import majority
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import NotFoundError

LED = SimpleNamespace(cluster=SimpleNamespace(leader="nats-1"))
LEADERLESS = SimpleNamespace(cluster=SimpleNamespace(leader=None))
ALONE = SimpleNamespace(cluster=None)


class Server:
    """Stands for the client and its server: answers what it is told to, and counts how often it is left."""

    def __init__(self, *answers: Any, connected: bool = True) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self._last: Any = None
        self.is_connected = connected
        self.left = 0

    async def stream_info(self, _: str) -> Any:
        self._last = next(self._answers, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return self._last

    async def force_reconnect(self) -> None:
        self.left += 1


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(majority, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(majority, "LEADERLESS_SECONDS", 0.1)


async def stays(server: Any, seconds: float = 0.3) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await majority.stay_with_the_majority(server, server, "CME_ENROLMENT")
    return bool(server.left == 0)


@pytest.mark.parametrize("answer", [LED, ALONE, NotFoundError()], ids=["led", "no cluster", "no stream"])
async def test_a_server_whose_leader_is_known_is_kept(answer: Any) -> None:
    assert await stays(Server(answer))


@pytest.mark.parametrize("answer", [LEADERLESS, NatsTimeout()], ids=["nobody leads", "no answer"])
async def test_a_server_that_knows_no_leader_for_long_is_left(answer: Any) -> None:
    assert not await stays(Server(LED, answer))


async def test_an_election_is_waited_for() -> None:
    assert await stays(Server(LED, LEADERLESS, NatsTimeout(), LED))


async def test_a_client_that_looks_for_a_server_is_left_alone() -> None:
    assert await stays(Server(LEADERLESS, connected=False))
