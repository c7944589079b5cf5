"""An id is used once, however many ask at the same moment, in one replica or in two."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cme_kit.mongo import Database, PyMongoError
from cme_kit.testing import Engines, free_port
from gateway.oauth.once import AT_ONCE, INDEXES, USED, UsedOnce

EXPIRES = datetime.now(UTC) + timedelta(minutes=5)


@pytest.fixture
async def database(engines: Engines) -> AsyncIterator[Database]:
    own = Database.connect(engines.mongo_url, "gateway", prefix=f"once{uuid4().hex[:8]}_")
    await own.ensure_indexes(INDEXES)
    yield own
    await own.close()


async def test_of_many_at_once_one_is_first(database: Database) -> None:
    replicas = UsedOnce(database), UsedOnce(database)
    names = [f"{number % 300}" for number in range(3 * AT_ONCE + 300)]

    firsts = await asyncio.gather(
        *(replicas[number % 2].claim("client", name, EXPIRES) for number, name in enumerate(names))
    )

    assert Counter(name for name, first in zip(names, firsts, strict=True) if first) == dict.fromkeys(names, 1)
    assert await database.collection(USED).count({}) == 300
    assert not await replicas[0].claim("client", "1", EXPIRES)
    assert await replicas[0].claim("another client", "1", EXPIRES)


async def test_who_gave_up_keeps_nobody_else_waiting(database: Database) -> None:
    once = UsedOnce(database)
    impatient, patient = (asyncio.create_task(once.claim("client", name, EXPIRES)) for name in "ab")
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient
    assert await once.claim("client", "c", EXPIRES)


async def test_a_database_that_is_away_is_told_to_everybody_who_waits() -> None:
    away = Database.connect(f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200", "gateway")
    once = UsedOnce(away)

    outcomes = await asyncio.gather(
        *(once.claim("client", str(number), EXPIRES) for number in range(3)), return_exceptions=True
    )

    assert [isinstance(outcome, PyMongoError) for outcome in outcomes] == [True] * 3
    await away.close()
