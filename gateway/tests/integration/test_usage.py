"""What the portal shows a client of its requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cme_kit.clock import SystemClock
from cme_kit.mongo import Database
from cme_kit.testing import Engines, eventually
from gateway.usage.domain import Place, RecordedRequest
from gateway.usage.ledger import Ledger
from gateway.usage.repository import UsageRepository
from gateway.usage.service import MOST, MOST_OF_A_CLIENT, Seen, Usage

PATH = "/enrolment/v1/applications/app_1"
NOON = 1_800_014_400.0


@pytest.fixture
async def rows(engines: Engines) -> AsyncIterator[UsageRepository]:
    """The gateway's own collections."""
    database = Database.connect(engines.mongo_url, "gateway")
    yield UsageRepository(database)
    await database.close()


@pytest.fixture
def usage(rows: UsageRepository) -> Usage:
    """As the portal has it."""
    return Usage(rows, Ledger(rows), lambda path: None, SystemClock())


def seen(ended: float = NOON, **fields: Any) -> Seen:
    values: dict[str, Any] = {
        "method": "GET",
        "path": "/enrolment/v1/calls",
        "prefix": "",
        "row": "/enrolment/{path}",
        "secret": False,
        "status": 200,
        "seconds": 0.0123,
        "trace_id": 7,
        "problem": None,
    }
    return Seen(ended=ended, **(values | fields))


async def recorded(usage: Usage, client_id: str, count: int) -> list[RecordedRequest]:
    async def enough() -> list[RecordedRequest] | None:
        found = await usage.requests_of(client_id)
        return found if len(found) >= count else None

    found: list[RecordedRequest] = await eventually(enough, 60)
    return found


async def test_a_client_sees_its_requests_and_no_secret_of_them(gateway: Any, usage: Usage) -> None:
    client = gateway.machine("enrolment.applications:read", "outreach.indicators:read")
    bearer = await asyncio.to_thread(gateway.bearer, client)
    http = gateway.http
    await asyncio.to_thread(http.get, f"{PATH}?access_token=abc", headers=bearer)
    await asyncio.to_thread(http.post, PATH, content=b"{", headers=bearer)
    await asyncio.to_thread(http.get, "/credentials/v1/awards", headers=bearer)
    await asyncio.to_thread(http.get, "/outreach/unsubscribe/the-secret", headers=bearer)

    unsubscribed, refused, malformed, read, token = await recorded(usage, client[0], 5)

    assert (token.method, token.path, token.status) == ("POST", "/oauth/token", 200)
    assert (read.method, read.path, read.status, read.problem) == ("GET", PATH, 200, None)
    assert read.template == "/enrolment/v1/applications/{application_id}"
    assert len(read.trace_id) == 32
    assert read.duration_ms > 0
    assert (malformed.status, malformed.problem) == (400, "malformed_json")
    assert (refused.status, refused.problem) == (403, "insufficient_scope")
    assert unsubscribed.path is None
    assert "the-secret" not in repr(unsubscribed)
    (today,) = await usage.daily_of(client[0], 7)
    assert (today.day, today.requests, today.client_errors, today.server_errors) == (SystemClock().today(), 4, 2, 0)


async def test_a_page_of_requests_goes_on_where_the_last_one_ended(usage: Usage) -> None:
    for second in range(5):
        usage.record("paging", seen(NOON + second, status=200 + second))

    first = await usage.requests_of("paging", limit=2)
    second = await usage.requests_of("paging", before=first[-1].record_id, limit=2)

    assert [request.status for request in (*first, *second)] == [204, 203, 202, 201]


async def test_of_a_flood_the_latest_requests_are_kept_and_others_keep_theirs(usage: Usage) -> None:
    usage.record("quiet", seen())
    for number in range(3 * MOST):
        usage.record("flooding", seen(NOON + number / 1000, status=number % 600))

    quiet = await usage.requests_of("quiet")
    flooding = await usage.requests_of("flooding", limit=2 * MOST_OF_A_CLIENT)

    assert len(quiet) == 1
    assert len(flooding) == MOST_OF_A_CLIENT
    assert flooding[0].status == (3 * MOST - 1) % 600


async def test_however_many_clients_there_are_memory_is_bounded(usage: Usage) -> None:
    for number in range(2 * MOST):
        usage.record(f"one of many {number}", seen())

    await usage.flush()

    assert await usage.requests_of(f"one of many {MOST - 1}")
    assert not await usage.requests_of(f"one of many {MOST}")


class Turning:
    """A clock of the tests."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


async def test_replicas_add_up_and_midnight_begins_anew(rows: UsageRepository) -> None:
    clock = Turning()
    place = Place("client of two replicas", "enrolment")
    one, other = Ledger(rows, clock), Ledger(rows, clock)
    for ledger, count in ((one, 3), (other, 4)):
        for _ in range(count):
            ledger.use(place)
            ledger.count(place, 200)

    await one.settle()
    await other.settle()
    one.use(place)
    await one.settle()
    late = Ledger(rows, clock)
    await late.load()
    known = (one.used(place), late.used(place))
    clock.now += one.seconds_left()

    assert known == (8, 8)
    assert (one.used(place), late.used(place)) == (0, 0)


async def test_what_was_counted_before_midnight_is_stored_as_yesterdays(rows: UsageRepository) -> None:
    clock = Turning()
    place = Place("client at midnight", "enrolment")
    ledger = Ledger(rows, clock)
    ledger.count(place, 500)
    yesterday = SystemClock().today().fromtimestamp(NOON)
    clock.now += ledger.seconds_left()
    ledger.used(place)
    ledger.count(place, 404)

    await ledger.settle()

    today, before = await rows.days_of(place.client_id, yesterday)
    assert (before.day, before.server_errors, before.client_errors) == (yesterday, 1, 0)
    assert (today.requests, today.client_errors) == (1, 1)


async def test_counts_survive_a_database_that_is_away(rows: UsageRepository) -> None:
    place = Place("client of a bad moment", "enrolment")
    away = Database.connect("mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=100", "gateway")
    ledger = Ledger(UsageRepository(away), Turning())
    usage = Usage(UsageRepository(away), ledger, lambda path: None, SystemClock())
    ledger.use(place)

    await usage.flush()
    still_known = ledger.used(place)
    ledger._repository = rows
    await ledger.settle()

    fresh = Ledger(rows, Turning())
    await fresh.load()
    assert (still_known, fresh.used(place)) == (1, 1)
    await away.close()
