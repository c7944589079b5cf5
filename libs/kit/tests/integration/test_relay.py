"""Publishing: who does it, in which order, what a broker that is away or full means, how a lost stream comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from cme_contracts.outreach import ClusterRegistered
from cme_kit import relay, streams
from cme_kit.outbox import OutboxFull, Transaction
from cme_kit.platform import Platform, open_platform
from cme_kit.streams import read_stream
from cme_kit.testing import Broker, Bus, Engines, eventually

STREAM = "CME_OUTREACH"
Replica = Callable[..., AbstractAsyncContextManager[Platform]]


@pytest.fixture
def replica(engines: Engines, bus: Bus) -> Replica:
    """Starts one replica of a service that publishes and consumes nothing."""

    @asynccontextmanager
    async def run(**settings: object) -> AsyncIterator[Platform]:
        async with open_platform("outreach", engines.settings(**settings), []) as platform:
            await platform.start([])
            yield platform

    return run


async def state(platform: Platform, *clusters: str) -> None:
    """State one event about each of some clusters, in one transaction."""

    async def work(tx: Transaction) -> None:
        for cluster in clusters:
            await tx.emit(cluster, ClusterRegistered(cluster_id=cluster, country="SE"))

    await platform.outbox.transaction(work)


async def in_stream(platform: Platform) -> list[tuple[str, int]]:
    """Aggregate and sequence of each message, in the stream's order."""
    return [
        (row["aggregate"], row["sequence"])
        async for message in read_stream(platform.jetstream, STREAM, "outreach")
        for row in await platform.database.collection("outbox").find(
            {"_id": (message.headers or {})["Nats-Msg-Id"].partition(".")[0]}
        )
    ]


async def unpublished(platform: Platform) -> int:
    return await platform.database.collection("outbox").count({"published": False})


def ordered(messages: list[tuple[str, int]]) -> bool:
    """Whether each aggregate's sequences come once, in order, from 1."""
    seen: dict[str, int] = {}
    for aggregate, sequence in messages:
        if sequence != seen.get(aggregate, 0) + 1:
            return False
        seen[aggregate] = sequence
    return True


async def test_what_two_replicas_commit_is_published_once_and_in_order(replica: Replica) -> None:
    async with replica() as one, replica() as other:
        for _ in range(10):
            await asyncio.gather(state(one, "a", "b"), state(other, "b", "c"), state(other, "a"))

        await eventually(lambda: _nothing_waits(one))
        messages = await in_stream(one)

    assert len(messages) == 50
    assert ordered(messages)


async def test_a_replica_that_stops_hands_over_at_once(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as stays:
        async with replica() as first:
            await state(first, "a")
            await eventually(lambda: _nothing_waits(first))
            second = await stays.enter_async_context(replica())
            await state(second, "a")
        leases = second.database.collection("leases")

        await state(second, "a", "b")
        await eventually(lambda: _nothing_waits(second))

        assert await leases.count({}) == 1
        assert ordered(messages := await in_stream(second))
        assert len(messages) == 4


async def test_a_replica_that_is_gone_is_replaced_when_its_lease_is_over(replica: Replica) -> None:
    async with replica() as first, replica() as second:
        await state(first, "a")
        await eventually(lambda: _nothing_waits(first))
        for task in first._tasks._running:
            task.cancel()

        await state(second, "a")
        await eventually(lambda: _nothing_waits(second), seconds=20)

        assert ordered(messages := await in_stream(second))
        assert len(messages) == 2


async def test_a_paused_leader_does_not_go_on_where_another_has_taken_over(replica: Replica) -> None:
    async with replica() as first, replica() as second:
        await state(first, "a")
        await eventually(lambda: _nothing_waits(first))
        assert first.relay is not None
        async with first.relay._turn:  # as if it were stopped
            await state(second, "a")
            await eventually(lambda: _nothing_waits(second), seconds=20)
            await state(second, "a")
        await state(first, "a")
        await eventually(lambda: _nothing_waits(second), seconds=20)

        assert ordered(messages := await in_stream(second))
        assert len(messages) == 4


async def test_more_than_is_handed_over_in_memory_is_read_from_the_database(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cme_kit.outbox.MOST_HANDED_OVER", 3)
    monkeypatch.setattr(relay, "BATCH", 7)
    async with replica() as platform:
        await asyncio.gather(*(state(platform, "a", f"b{n}", "c") for n in range(10)))

        await eventually(lambda: _nothing_waits(platform))
        assert ordered(messages := await in_stream(platform))
        assert len(messages) == 30


async def test_an_event_waits_for_one_before_it_that_a_clock_ahead_sorted_behind(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    async with replica() as platform:
        assert platform.relay is not None
        rows = platform.database.collection("outbox")
        async with platform.relay._turn:
            await state(platform, "a", "a", "b")
            first = await rows.find_one({"aggregate": "a", "sequence": 1})
            assert first is not None
            later = first["created"] + timedelta(seconds=10)
            await rows.update({"_id": first["_id"]}, {"$set": {"created": later}})
            platform.outbox.look()

        await eventually(lambda: _nothing_waits(platform))
        assert ordered(messages := await in_stream(platform))
        assert len(messages) == 3


async def test_writes_go_on_without_a_broker_until_the_bound_and_all_of_them_arrive(
    engines: Engines, bus: Bus, broker: Broker, replica: Replica
) -> None:
    async with replica(nats_url=broker.url, outbox_limit=5) as platform:
        await state(platform, "before")
        await eventually(lambda: _nothing_waits(platform))
        broker.kill()

        for n in range(5):
            await state(platform, f"during-{n}")
        with pytest.raises(OutboxFull) as refused:
            await state(platform, "refused")
        assert refused.value.headers == {"Retry-After": "5"}
        assert await platform.database.collection("outbox").count({"aggregate": "refused"}) == 0

        broker.start()
        await eventually(lambda: _nothing_waits(platform), seconds=30)
        await state(platform, "after")
        await eventually(lambda: _nothing_waits(platform), seconds=30)
        assert len(await in_stream(platform)) == 7


async def test_a_full_stream_keeps_rows_waiting_until_it_has_room(
    replica: Replica, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "GIB", 4096)
    async with replica() as platform:
        for n in range(12):
            await state(platform, f"a{n}")
        await asyncio.sleep(1)
        waiting = await unpublished(platform)
        assert 0 < waiting < 12

        config = (await bus.jetstream.stream_info(STREAM)).config
        await bus.jetstream.update_stream(config, max_bytes=1024**2)
        await eventually(lambda: _nothing_waits(platform), seconds=20)
        assert len(await in_stream(platform)) == 12


async def test_a_stream_that_is_gone_is_made_again_from_the_outbox(replica: Replica, bus: Bus) -> None:
    async with replica() as platform:
        for _ in range(3):
            await state(platform, "a", "b")
        await eventually(lambda: _nothing_waits(platform))
        await bus.jetstream.delete_stream(STREAM)

        await state(platform, "a")

        async def complete() -> bool:
            return await _nothing_waits(platform) and len(await in_stream(platform)) == 7

        await eventually(complete, seconds=20)
        assert ordered(await in_stream(platform))


async def test_a_service_that_starts_without_its_stream_makes_it_again(replica: Replica, bus: Bus) -> None:
    async with replica() as platform:
        await state(platform, "a", "b", "c")
        await eventually(lambda: _nothing_waits(platform))
    await bus.jetstream.delete_stream(STREAM)

    async with replica() as platform:
        await eventually(lambda: _nothing_waits(platform))
        assert len(await in_stream(platform)) == 3


async def test_messages_that_a_stream_lost_are_published_again(replica: Replica, bus: Bus) -> None:
    async with replica() as platform:
        for _ in range(4):
            await state(platform, "a", "b")
        await eventually(lambda: _nothing_waits(platform))
        for place in (7, 8):
            await bus.jetstream.delete_msg(STREAM, place)

        assert await platform.streams.rebuild() == 2
        await eventually(lambda: _nothing_waits(platform))
        assert ordered(messages := await in_stream(platform))
        assert len(messages) == 8
        assert await platform.streams.rebuild() == 0


async def _nothing_waits(platform: Platform) -> bool:
    return await unpublished(platform) == 0
