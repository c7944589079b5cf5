"""Deliveries to receivers that are down, slow, gone, elsewhere, or fine, at a time that the test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_contracts.gateway import WebhookDisabled
from cme_kit.ids import new_id
from cme_kit.problems import NotFound
from cme_kit.telemetry import current_traceparent, tracer
from cme_kit.testing import Engines, eventually, free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.clients.domain import Client, ClientStatus
from gateway.webhooks import figures
from gateway.webhooks.domain import SCHEDULE, State
from gateway.webhooks.schemas import WebhookChange
from gateway.webhooks.worker import PER_WEBHOOK
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .receivers import Receiver, Reply, verify_v1a
from .webhook_rig import ManualClock, Rig, rigged

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def cancelled() -> OfferingCancelled:
    return OfferingCancelled(offering_id=new_id("off"), programme_id=new_id("prg"), reason="Too few")


@pytest.fixture
async def rig(engines: Engines) -> AsyncIterator[Rig]:
    async with rigged(engines) as made:
        yield made


@pytest.fixture
async def client(rig: Rig) -> Client:
    return await rig.client()


@pytest.fixture
def another_receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.start()
    yield made
    made.stop()


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


async def test_gone_disables_the_webhook_and_the_clients_other_webhooks_are_told(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(410)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    watching = await rig.webhook(client, another_receiver.url, WebhookDisabled)
    stranger = await rig.webhook(await rig.client(), another_receiver.url, WebhookDisabled)
    first = await rig.happen(cancelled())
    await rig.turn()
    later = await rig.happen(cancelled())

    await rig.turn()

    disabled = await rig.webhooks.find(client, webhook.webhook_id)
    assert (disabled.status, disabled.disabled_reason) == ("disabled", "gone")
    assert disabled.disabled_at == rig.clock.now()
    assert rig.written_to == [client]
    assert await rig.states(client, webhook) == {first: State.FAILED}
    [told] = another_receiver.received
    event = verify_v1a(str(watching.keys[0].public_key), told)
    assert event["type"] == "com.clustereducation.gateway.webhook.disabled.v1"
    assert event["data"] == {
        "webhook_id": webhook.webhook_id,
        "reason": "gone",
        "failing_since": None,
        "disabled_at": event["data"]["disabled_at"],
    }
    assert (event["source"], event["subject"], event["sequence"]) == ("/gateway", webhook.webhook_id, 1)
    assert stranger.client_id != client.client_id
    entry = await rig.database.collection("audit_entries").find_one({"act": "webhook.disabled"})
    assert entry is not None
    assert (entry["actor"], entry["subject"]) == ("system", webhook.webhook_id)
    assert len(receiver.of(later)) == 0


async def test_five_days_without_a_success_disable_and_cancel_what_is_pending(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(500)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)

    for _ in range(6):
        await rig.happen(cancelled())
        for wait in (0 * HOUR, MINUTE, 10 * MINUTE, HOUR, 22 * HOUR):
            await rig.turn(wait)

    disabled = await rig.webhooks.find(client, webhook.webhook_id)
    assert (disabled.status, disabled.disabled_reason) == ("disabled", "failing")
    states = set((await rig.states(client, webhook)).values())
    assert State.PENDING not in states
    assert State.CANCELLED in states
    count = len(receiver.received)
    await rig.turn(30 * HOUR)
    assert len(receiver.received) == count


async def test_one_success_ends_the_count_of_days(rig: Rig, client: Client, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(500)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())
    await rig.turn()
    receiver.reply = lambda _: Reply(204)

    await rig.turn(6 * SECOND)

    well = await rig.webhooks.find(client, webhook.webhook_id)
    assert (well.status, well.failing_since) == ("active", None)


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


async def test_two_replicas_make_each_attempt_once(engines: Engines, receiver: Receiver) -> None:
    clock = ManualClock()
    async with (
        rigged(engines, name="wtwo_", clock=clock) as one,
        rigged(engines, name="wtwo_", clock=clock) as two,
    ):
        client = await one.client()
        await one.webhook(client, receiver.url, OfferingCancelled)
        events = [await one.happen(cancelled()) for _ in range(30)]

        while len(receiver.received) < len(events):
            await asyncio.gather(one.turn(), two.turn())
        await asyncio.gather(one.turn(), two.turn())

    assert sorted(got.message_id for got in receiver.received) == sorted(events)


async def test_what_a_replica_that_vanished_had_begun_is_taken_up_by_another(
    engines: Engines, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(after=30)
    clock = ManualClock()
    async with rigged(engines, name="wgone_", clock=clock) as gone:
        client = await gone.client()
        webhook = await gone.webhook(client, receiver.url, OfferingCancelled)
        event_id = await gone.happen(cancelled())
        await gone.begin()
        await asyncio.to_thread(receiver.wait, 1)
        async with rigged(engines, name="wgone_", clock=clock) as other:
            receiver.reply = lambda _: Reply()
            await other.turn(10 * SECOND)
            early = len(receiver.received)

            await other.turn(30 * SECOND)

            assert early == 1
            assert [got.message_id for got in receiver.received] == [event_id, event_id]
            assert (await other.delivery(client, webhook, event_id)).state is State.DELIVERED


async def test_what_a_replica_that_stops_had_begun_is_due_at_once(engines: Engines, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(after=30)
    clock = ManualClock()
    async with rigged(engines, name="wstop_", clock=clock) as stopping:
        client = await stopping.client()
        await stopping.webhook(client, receiver.url, OfferingCancelled)
        event_id = await stopping.happen(cancelled())
        await stopping.begin()
        await asyncio.to_thread(receiver.wait, 1)
    receiver.reply = lambda _: Reply()

    async with rigged(engines, name="wstop_", clock=clock) as other:
        await other.turn()

    assert [got.message_id for got in receiver.received] == [event_id, event_id]


async def test_a_name_that_leads_elsewhere_by_the_time_of_a_delivery_is_not_followed(
    engines: Engines, receiver: Receiver
) -> None:
    answers = {"rebinding.example": ["93.184.215.14"]}
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[host]

    async with rigged(engines, lookup=lookup, webhook_private_addresses=False) as rig:
        client = await rig.client()
        url = f"https://rebinding.example:{receiver.port}/hooks"
        webhook = await rig.webhook(client, url, OfferingCancelled)
        event_id = await rig.happen(cancelled())
        for address in (["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]):
            answers["rebinding.example"] = address
            await rig.turn(30 * HOUR)

        log = (await rig.delivery(client, webhook, event_id)).log
        assert [attempt.error for attempt in log] == ["address refused: not on the public Internet"] * 4
        assert receiver.received == []
        assert len(asked) == 5


async def test_a_name_is_asked_for_once_and_the_receiver_is_called_by_it(engines: Engines, receiver: Receiver) -> None:
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with rigged(engines, lookup=lookup) as rig:
        client = await rig.client()
        await rig.webhook(client, f"http://partner.example:{receiver.port}/hooks", OfferingCancelled)
        await rig.happen(cancelled())
        asked.clear()

        await rig.turn()

    assert asked == ["partner.example"]
    assert receiver.received[0].headers["host"] == f"partner.example:{receiver.port}"


async def test_a_certificate_has_to_be_the_names_own_and_trusted(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    certificate, key = self_signed(tmp_path, "partner.example")
    secure = Receiver(ssl_certfile=certificate, ssl_keyfile=key)
    secure.start()
    url = f"https://partner.example:{secure.port}/hooks"
    errors = []
    for trusted, named in (("", url), (certificate, url.replace("partner", "another")), (certificate, url)):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", trusted)
        async with rigged(engines, lookup=lookup) as rig:
            client = await rig.client()
            webhook = await rig.webhook(client, named, OfferingCancelled)
            event_id = await rig.happen(cancelled())
            await rig.turn()
            errors.append((await rig.delivery(client, webhook, event_id)).log[0].error)
    secure.stop()

    assert errors == ["TLS certificate not accepted", "TLS certificate not accepted", None]
    assert [got.headers["host"] for got in secure.received] == [f"partner.example:{secure.port}"]


def self_signed(folder: Path, name: str) -> tuple[str, str]:
    """Files of a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])


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


async def test_no_proxy_of_the_environment_is_used(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{another_receiver.port}")
    await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())

    await rig.turn()

    assert len(receiver.received) == 1
    assert another_receiver.received == []


async def test_a_disabled_client_is_told_nothing(rig: Rig, client: Client, receiver: Receiver) -> None:
    await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())
    await rig.transaction(lambda tx: rig.clients.set_status(tx, client.client_id, ClientStatus.DISABLED, "test"))

    await rig.turn()
    await rig.happen(cancelled())
    await rig.turn()

    assert receiver.received == []


async def test_the_webhooks_of_a_removed_client_are_gone_with_it(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    kept = await rig.webhook(await rig.client(), receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())

    await rig.transaction(lambda tx: rig.clients.remove(tx, client.client_id, "test"))
    await rig.turn()

    with pytest.raises(NotFound):
        await rig.webhooks.find(client, webhook.webhook_id)
    rows = await rig.database.collection("webhook_deliveries").find({})
    assert [(row["webhook_id"], row["state"]) for row in rows] == [(kept.webhook_id, "delivered")]
    assert [got.message_id for got in receiver.received] == [event_id]


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


async def test_a_webhook_that_its_owner_disables_gets_nothing_and_goes_on_when_active_again(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    pending = await rig.happen(cancelled())

    async def change(status: str, revision: int) -> None:
        await rig.transaction(
            lambda tx: rig.webhooks.change(
                tx, client, webhook.webhook_id, WebhookChange(status=status), revision, "owner"
            )
        )

    await change("disabled", 1)
    missed = await rig.happen(cancelled())
    await rig.turn()
    assert receiver.received == []
    await change("active", 2)
    later = await rig.happen(cancelled())
    await rig.turn()

    assert [got.message_id for got in receiver.received] == [later]
    assert await rig.states(client, webhook) == {pending: State.CANCELLED, later: State.DELIVERED}
    assert missed not in await rig.states(client, webhook)
