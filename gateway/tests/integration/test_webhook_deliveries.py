"""Deliveries to receivers that are down, slow, overloaded, elsewhere, or fine, at a time that the test decides."""

from __future__ import annotations

import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.telemetry import current_traceparent, tracer
from cme_kit.testing import Engines, eventually, free_port
from gateway.clients.domain import Client
from gateway.webhooks import figures
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import SCHEDULE, Delivery, State
from gateway.webhooks.worker import PER_WEBHOOK
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .receivers import Receiver, Reply, another_receiver, verify_v1a
from .webhook_rig import HOUR, MINUTE, SECOND, Rig, cancelled, client, rig, rigged

__all__ = ["another_receiver", "client", "rig"]


async def test_a_receiver_that_is_down_gets_it_once_it_is_up_with_the_same_id_and_a_fresh_signature(
    rig: Rig, client: Client
) -> None:
    down = Receiver()
    webhook = await rig.webhook(client, down.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())

    await rig.turn()
    await rig.turn(4 * SECOND)
    await rig.turn(2 * SECOND)
    failed = await rig.delivery(client, webhook, event_id)
    down.start()
    await rig.turn(6 * MINUTE)
    await rig.turn(24 * HOUR)
    down.stop()

    assert [attempt.error for attempt in failed.log] == ["not reachable"] * 2
    assert failed.state is State.PENDING
    [got] = down.received
    assert got.message_id == event_id
    assert verify_v1a(str(webhook.keys[0].public_key), got)["id"] == event_id
    done = await rig.delivery(client, webhook, event_id)
    assert done.state is State.DELIVERED
    assert [attempt.status for attempt in done.log] == [None, None, 200]
    stamps = {attempt.request_headers["webhook-timestamp"] for attempt in done.log}
    signatures = {attempt.request_headers["webhook-signature"] for attempt in done.log}
    assert len(stamps) == len(signatures) == 3
    assert {attempt.request_headers["webhook-id"] for attempt in done.log} == {event_id}


async def test_after_the_last_attempt_of_three_days_a_delivery_has_failed(rig: Rig, client: Client) -> None:
    webhook = await rig.webhook(client, f"http://127.0.0.1:{free_port()}/", OfferingCancelled)
    event_id = await rig.happen(cancelled())

    for wait in SCHEDULE:
        await rig.turn(wait * 1.2)
    failed = await rig.delivery(client, webhook, event_id)
    await rig.turn(30 * HOUR)

    assert len(failed.log) == len(SCHEDULE)
    assert (failed.state, failed.next_attempt_at) == (State.FAILED, None)
    assert await rig.delivery(client, webhook, event_id) == failed
    assert (await rig.webhooks.find(client, webhook.webhook_id)).failing_since == failed.log[0].at


async def test_a_slow_receiver_holds_up_nobody_else(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(after=60)
    slow = await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.webhook(client, another_receiver.url, OfferingCancelled)
    events = [await rig.happen(cancelled()) for _ in range(20)]

    async def all_came() -> bool:
        await rig.begin()
        return len(another_receiver.received) >= len(events) and len(receiver.received) >= PER_WEBHOOK

    await eventually(all_came)

    assert sorted(got.message_id for got in another_receiver.received) == sorted(events)
    assert set((await rig.states(client, slow)).values()) == {State.PENDING}
    assert len(receiver.received) == PER_WEBHOOK


async def test_a_receiver_that_does_not_answer_in_time_has_failed(engines: Engines, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(after=30)
    async with rigged(engines, webhook_timeout_seconds=0.3) as rig:
        client = await rig.client()
        webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
        event_id = await rig.happen(cancelled())

        await rig.turn()

        [attempt] = (await rig.delivery(client, webhook, event_id)).log
        assert (attempt.status, attempt.error) == (None, "timed out")


async def test_of_an_answer_only_the_beginning_is_read(rig: Rig, client: Client, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(500, body=b"\x00<b>" + b"no" * 5_000_000)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())

    await rig.turn()

    [attempt] = (await rig.delivery(client, webhook, event_id)).log
    assert attempt.status == 500
    assert attempt.response_body.startswith("<b>nono")
    assert len(attempt.response_body) < 4097


async def test_an_endless_answer_counts_by_its_status(engines: Engines, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(200, body=b"x" * 2000, trickle=0.05)
    async with rigged(engines, webhook_timeout_seconds=0.5) as rig:
        client = await rig.client()
        webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
        event_id = await rig.happen(cancelled())

        await rig.turn()

        assert (await rig.delivery(client, webhook, event_id)).state is State.DELIVERED


async def test_a_redirect_is_a_failure_and_is_not_followed(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(307, {"location": another_receiver.url})
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())

    await rig.turn()

    delivery = await rig.delivery(client, webhook, event_id)
    assert (delivery.state, delivery.last_status) == (State.PENDING, 307)
    assert another_receiver.received == []


async def test_an_overloaded_receiver_gets_nothing_at_all_until_the_time_that_it_said(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(429, {"retry-after": "600"})
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    first = await rig.happen(cancelled())
    await rig.turn()
    receiver.reply = lambda _: Reply()
    second = await rig.happen(cancelled())

    await rig.turn(9 * MINUTE)
    quiet, backlog = len(receiver.received), figures.BACKLOG._value.get()
    paused = await rig.webhooks.find(client, webhook.webhook_id)
    await rig.turn(2 * MINUTE)

    assert quiet == 1
    assert backlog == 0
    assert paused.paused_until is not None
    assert {got.message_id for got in receiver.received[1:]} == {first, second}
    assert (await rig.webhooks.find(client, webhook.webhook_id)).paused_until is None


async def test_an_attempt_is_a_span_of_the_events_own_trace(
    rig: Rig, client: Client, receiver: Receiver, spans: InMemorySpanExporter
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    receiver.reply = lambda _: Reply(503)
    with tracer.start_as_current_span("cancel an offering") as origin:
        event_id = await rig.happen(cancelled(), traceparent=current_traceparent())

    await rig.turn()

    [attempt] = [span for span in spans.get_finished_spans() if span.name.startswith("webhook ")]
    context = origin.get_span_context()
    assert attempt.name == "webhook curriculum.offering.cancelled.v1"
    assert attempt.context is not None
    assert attempt.parent is not None
    assert (attempt.context.trace_id, attempt.parent.span_id) == (context.trace_id, context.span_id)
    attributes = dict(attempt.attributes or {})
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["http.response.status_code"] == 503
    assert not attempt.status.is_ok
    assert "key=k" not in str(attributes)
    [logged] = (await rig.delivery(client, webhook, event_id)).log
    assert logged.trace_id == f"{context.trace_id:032x}"


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """What is traced in this process, whose provider is set once."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    made = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(made))
    return made


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    """What is traced in one test."""
    exporter.clear()
    return exporter


async def test_what_happened_before_a_webhook_was_made_is_not_told(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    old = cancelled()
    rig.clock.move(-MINUTE)
    webhook_after = rig.clock.now() + MINUTE
    await rig.happen(old)
    rig.clock.move(webhook_after - rig.clock.now())
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)

    await rig.turn()

    assert await rig.states(client, webhook) == {}


async def test_a_delivery_whose_message_is_not_kept_any_longer_is_cancelled_alone(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    old = await rig.happen(cancelled())
    await rig.turn()
    receiver.reply = lambda _: Reply(500)
    fresh = await rig.happen(cancelled())
    await rig.turn()
    await rig.transaction(lambda tx: rig.log.resend(tx, client, webhook.webhook_id, old))
    await rig.database.collection("webhook_messages").delete({"_id": old})

    await rig.turn()
    receiver.reply = lambda _: Reply()
    await rig.turn(6 * SECOND)

    assert await rig.states(client, webhook) == {old: State.CANCELLED, fresh: State.DELIVERED}
    assert [got.message_id for got in receiver.received] == [old, fresh, fresh]


async def test_an_event_that_comes_before_a_repetition_is_due_does_not_make_it_late(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(500)
    await rig.webhook(client, receiver.url, OfferingCancelled)
    first = await rig.happen(cancelled())
    await rig.look()
    receiver.reply = lambda _: Reply()
    rig.clock.move(SECOND)
    second = await rig.happen(cancelled())
    await rig.look()

    rig.clock.move(5 * SECOND)
    await rig.look()

    assert [got.message_id for got in receiver.received] == [first, second, first]


async def test_an_event_that_comes_while_the_database_is_asked_is_not_late(
    rig: Rig, client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.webhook(client, receiver.url, OfferingCancelled)
    events = [await rig.happen(cancelled())]
    asked = DeliveryRepository.upcoming

    async def overtaken(self: DeliveryRepository, webhook_id: str, limit: int) -> list[Delivery]:
        found = await asked(self, webhook_id, limit)
        if len(events) == 1:
            events.append(await rig.happen(cancelled()))
        return found

    monkeypatch.setattr(DeliveryRepository, "upcoming", overtaken)
    await rig.look()
    await rig.look()

    assert [got.message_id for got in receiver.received] == events
