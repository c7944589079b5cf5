"""Throttling of tries: counted for everybody alike, ended by time, nobody's address stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cme_kit.mongo import Database
from gateway.accounts.throttle import Limit, Throttle
from gateway.accounts.throttle_repository import ThrottleRepository
from gateway.peppered import Pepper

LIMIT = Limit("tries of a test", 3, timedelta(minutes=10))


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
async def database(engines: Any) -> AsyncIterator[Database]:
    database = Database.connect(engines.mongo_url, "gateway")
    yield database
    await database.close()


async def test_a_limit_holds_for_one_key_until_its_while_ends(database: Database) -> None:
    clock = Hands()
    throttle = Throttle(ThrottleRepository(database), Pepper("a pepper of the tests"), clock)
    key, other = f"192.0.2.1 {clock.time}", f"192.0.2.2 {clock.time}"

    waits = [await throttle.take(LIMIT, key) for _ in range(3)]
    clock.time += timedelta(minutes=4)
    over = await throttle.take(LIMIT, key)
    asked, free = await throttle.wait(LIMIT, key), await throttle.take(LIMIT, other)
    clock.time += timedelta(minutes=6)

    assert waits == [0, 0, 0]
    assert (over, asked, free) == (360, 360, 0)
    assert await throttle.wait(LIMIT, key) == 0
    assert await throttle.take(LIMIT, key) == 0


async def test_whom_a_count_is_about_is_not_stored(database: Database) -> None:
    throttle = Throttle(ThrottleRepository(database), Pepper("a pepper of the tests"), Hands())

    await throttle.take(LIMIT, "ona@partner.example")

    stored = await database.collection("throttle_counts").find({})
    assert stored
    assert "ona@partner.example" not in str(stored)
