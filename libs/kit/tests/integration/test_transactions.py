"""What a transaction leaves behind, and how long it may take."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from cme_kit import transactions
from cme_kit.mongo import Database, PyMongoError, Session, after_commit, is_passing
from cme_kit.testing import Engines


@pytest.fixture
async def database(engines: Engines) -> AsyncIterator[Database]:
    made = Database.connect(engines.mongo_url, f"transactions_{secrets.token_hex(4)}")
    yield made
    await made.close()


async def test_what_is_to_happen_after_a_commit_happens_once_however_often_it_began(database: Database) -> None:
    rows, done = database.collection("counts"), list[int]()
    await rows.insert({"_id": "one", "count": 0})

    async def count(session: Session) -> None:
        row = await rows.find_one({"_id": "one"}, session)
        assert row is not None
        await rows.update({"_id": "one"}, {"$set": {"count": row["count"] + 1}}, session=session)
        after_commit(lambda: done.append(row["count"] + 1))

    await asyncio.gather(*(database.in_transaction(count) for _ in range(6)))

    assert sorted(done) == [1, 2, 3, 4, 5, 6]


async def test_what_was_to_happen_after_a_commit_does_not_without_one(database: Database) -> None:
    done: list[str] = []

    async def fails(_session: Session) -> None:
        after_commit(lambda: done.append("after"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.in_transaction(fails)
    assert done == []
    after_commit(lambda: done.append("at once"))
    assert done == ["at once"]


async def test_a_transaction_that_always_loses_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "TRANSACTION_SECONDS", 0.3)
    rows = database.collection("counts")
    await rows.insert({"_id": "one", "count": 0})

    async def loses(session: Session) -> None:
        await rows.find_one({"_id": "one"}, session)
        await rows.update({"_id": "one"}, {"$inc": {"count": 1}})
        await rows.update({"_id": "one"}, {"$inc": {"count": 1}}, session=session)

    with pytest.raises(PyMongoError) as ended:
        await database.in_transaction(loses)
    assert is_passing(ended.value)
