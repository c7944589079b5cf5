import asyncio
from typing import Any

import pytest
from cme_contracts import Event
from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_kit import consumers, early, pulling, streams, telemetry
from cme_kit.consumers import CONCURRENCY
from cme_kit.streams import ProvisioningError, owned_streams, provision_consumer, provision_streams
from cme_kit.testing import eventually
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY

from .conftest import Consuming, Starter, after, envelope, erased, organisation, person


def counted(name: str, stream: str = "CME_ENROLMENT") -> float:
    return REGISTRY.get_sample_value(f"{name}_total", {"stream": stream}) or 0.0


async def applied(consuming: Consuming, *labels: str) -> None:
    async def all_applied() -> bool:
        return len(await consuming.applied()) >= len(labels)

    await eventually(all_applied, 30)
    assert await consuming.applied() == list(labels)


async def test_the_inbox_says_what_was_applied_and_where_it_belongs(consuming: Consuming) -> None:
    before = counted("cme_events_applied")
    event = envelope("org_1", 1, organisation("a"))

    await consuming.send(event)
    await applied(consuming, "a")

    [row] = await consuming.inbox()
    assert row.pop("applied_at") is not None
    assert row == {
        "_id": str(event.id),
        "source": "/enrolment",
        "aggregate": "org_1",
        "sequence": 1,
        "type": event.type,
    }
    assert counted("cme_events_applied") == before + 1


async def test_an_event_that_comes_before_its_predecessor_waits_for_it(consuming: Consuming) -> None:
    first, second = person("first"), erased("second")
    before = counted("cme_event_gaps")

    await consuming.send(envelope("per_1", 2, second, after(PersonRegistered, 1)))
    await asyncio.sleep(0.3)
    assert await consuming.applied() == []
    await consuming.send(envelope("per_1", 1, first))

    await applied(consuming, "first", "second")
    assert [row.get("gap") for row in await consuming.inbox()] == [None, None]
    assert counted("cme_event_gaps") == before


async def test_what_this_service_does_not_subscribe_to_is_not_waited_for(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_DELAYS", (3600.0,))

    await consuming.send(envelope("org_1", 5, organisation("fifth"), "com.example.unknown.v1=4"))

    await applied(consuming, "fifth")


async def test_an_event_whose_predecessor_never_comes_is_applied_and_the_gap_is_reported(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_DELAYS", (0.02, 0.05))
    before = counted("cme_event_gaps")

    await consuming.send(envelope("per_1", 3, erased("third"), after(PersonRegistered, 2)))
    await consuming.send(envelope("per_1", 4, erased("fourth"), after(PersonErased, 3)))

    await applied(consuming, "third", "fourth")
    assert [(row["sequence"], row.get("gap")) for row in await consuming.inbox()] == [(3, True), (4, None)]
    assert counted("cme_event_gaps") == before + 1


async def test_an_event_does_not_overtake_one_that_another_replica_still_tries(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "EARLY_DELAYS", (0.02, 0.05))
    monkeypatch.setattr(pulling, "BATCH", 1)
    release = asyncio.Event()

    async def hold_the_first(event: Event) -> None:
        if isinstance(event, OrganisationRegistered) and event.name == "first":
            await release.wait()

    async with start() as one, start() as other:
        one.hooks.append(hold_the_first)
        other.hooks.append(hold_the_first)
        await one.send(envelope("org_1", 1, organisation("first")))
        for sequence in range(2, 6):
            before = after(OrganisationRegistered, sequence - 1)
            await one.send(envelope("org_1", sequence, organisation(f"later {sequence}"), before))
        await asyncio.sleep(0.6)
        assert await one.applied() == []

        release.set()

        await applied(one, "first", "later 2", "later 3", "later 4", "later 5")
        assert not any(row.get("gap") for row in await one.inbox())


async def test_a_number_that_another_event_holds_is_not_applied_again(consuming: Consuming) -> None:
    await consuming.send(envelope("org_1", 1, organisation("first")))
    await applied(consuming, "first")
    await consuming.send(envelope("org_1", 1, organisation("usurper")))

    [letter] = await eventually(consuming.letters)

    assert "was applied with this sequence" in letter["reason"]
    assert await consuming.applied() == ["first"]


async def test_work_that_outlives_the_acknowledgement_wait_is_applied_once(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ACK_WAIT", 1)
    monkeypatch.setattr(consumers, "ACK_WAIT", 3600)  # no sign of life is sent
    begun = 0

    async def slow(_event: Event) -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(2.5)

    async with start() as one, start() as other:
        one.hooks.append(slow)
        other.hooks.append(slow)
        await one.send(envelope("org_1", 1, organisation("slow")))

        async def acknowledged() -> bool:
            info = await one.bus.jetstream.consumer_info("CME_ENROLMENT", "outreach")
            return bool(await one.applied()) and info.num_ack_pending == 0

        await eventually(acknowledged, 30)
        assert await one.applied() == ["slow"]
        assert await one.letters() == []
    assert begun >= 1


async def test_events_of_different_aggregates_are_applied_side_by_side_up_to_a_bound(consuming: Consuming) -> None:
    running = highest = 0

    async def watch(_event: Event) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.02)
        running -= 1

    consuming.hooks.append(watch)
    for number in range(40):
        await consuming.send(envelope(f"org_{number}", 1, organisation(f"{number}")))

    async def all_applied() -> bool:
        return len(await consuming.applied()) == 40

    await eventually(all_applied, 30)
    assert 1 < highest <= CONCURRENCY


async def test_what_is_being_applied_when_the_service_stops_is_finished_and_acknowledged(start: Starter) -> None:
    begun = asyncio.Event()

    async def slow(event: Event) -> None:
        if isinstance(event, OrganisationRegistered) and event.name == "begun":
            begun.set()
            await asyncio.sleep(1)

    async with start() as stopping:
        stopping.hooks.append(slow)
        await stopping.send(envelope("org_1", 1, organisation("begun")))
        await stopping.send(envelope("org_1", 2, organisation("waiting"), after(OrganisationRegistered, 1)))
        await begun.wait()

    async with start() as again:
        await applied(again, "begun", "waiting")
        info = await again.bus.jetstream.consumer_info("CME_ENROLMENT", "outreach")
        assert info.delivered is not None
        assert info.delivered.consumer_seq <= 3  # the first was delivered once, the second handed back at the most


async def test_copies_on_a_broker_that_is_no_cluster_are_refused(start: Starter) -> None:
    async with start() as consuming:
        with pytest.raises(ProvisioningError, match="3 copies need a cluster"):
            await provision_streams(consuming.bus.jetstream, owned_streams("curriculum", replicas=3))


async def test_a_consumer_with_other_policies_is_refused(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as consuming:

        async def attached() -> bool:
            return bool(consuming.platform.consumers and consuming.platform.consumers.attached)

        await eventually(attached)
        monkeypatch.setattr(streams, "ACK_WAIT", 7)

        with pytest.raises(ProvisioningError, match="ack_wait is 30"):
            await provision_consumer(consuming.bus.jetstream, "CME_ENROLMENT", "outreach", ["cme.enrolment.x.v1"])


async def test_a_consumer_that_the_server_lost_is_made_again_and_goes_on_without_repeating(
    consuming: Consuming,
) -> None:
    await consuming.send(envelope("org_1", 1, organisation("before")))
    await applied(consuming, "before")

    await consuming.bus.jetstream.delete_consumer("CME_ENROLMENT", "outreach")
    await consuming.send(envelope("org_2", 1, organisation("after")))

    await applied(consuming, "before", "after")


async def test_an_event_that_comes_again_costs_one_transaction(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = envelope("org_1", 1, organisation("once"))
    await consuming.send(event)
    await applied(consuming, "once")
    database = consuming.platform.database
    begun = 0
    in_transaction = database.in_transaction

    async def counting(work: Any) -> Any:
        nonlocal begun
        begun += 1
        return await in_transaction(work)

    monkeypatch.setattr(database, "in_transaction", counting)
    await consuming.send(event)
    await consuming.send(envelope("org_1", 2, organisation("next"), after(OrganisationRegistered, 1)))
    await applied(consuming, "once", "next")

    assert begun == 2


async def test_an_event_that_comes_again_is_no_failed_transaction(
    consuming: Consuming, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    event = envelope("org_1", 1, organisation("once"))

    await consuming.send(event)
    await consuming.send(event)
    await consuming.send(envelope("org_1", 2, organisation("next"), after(OrganisationRegistered, 1)))
    await applied(consuming, "once", "next")

    outcomes = [span.status.status_code for span in spans.get_finished_spans() if span.name == "transaction"]
    assert len(outcomes) >= 2
    assert StatusCode.ERROR not in outcomes
