"""What webhooks of a running gateway send to real receivers: events, samples, and everything again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cme_kit.testing import Broker, Engines
from standardwebhooks import WebhookVerificationError

from .conftest import EchoServer, Gateway, start, stop
from .receivers import Happenings, Receiver, Reply, verify_v1, verify_v1a
from .webhook_partners import CANCELLED, PUBLISHED, Partner, cancelled, eventually


@pytest.fixture
def partner(gateway: Gateway) -> Partner:
    return Partner(gateway)


def test_an_event_arrives_signed_by_the_key_that_the_receiver_holds(
    partner: Partner, receiver: Receiver, happenings: Happenings
) -> None:
    webhook = partner.make(receiver.url, CANCELLED)

    [event_id] = happenings.state(cancelled())
    [got] = receiver.wait()

    assert webhook["signing_secret"] is None
    payload = verify_v1a(webhook["keys"][0]["public_key"], got)
    assert payload["id"] == got.message_id == event_id
    assert payload["type"] == CANCELLED
    assert payload["specversion"] == "1.0"
    assert payload["data"]["reason"] == "Too few"
    assert "test" not in payload
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.path == "/hooks?key=k"
    delivery = partner.settled(webhook, event_id)
    assert delivery["state"] == "delivered"
    assert delivery["body"].encode() == got.body
    assert delivery["log"][0]["status"] == 200
    assert delivery["log"][0]["response_body"] == "thank you"
    assert delivery["log"][0]["request_headers"]["webhook-signature"] == got.headers["webhook-signature"]
    with pytest.raises(ValueError, match="no signature"):
        verify_v1a(partner.make(receiver.url, CANCELLED)["keys"][0]["public_key"], got)


def test_standardwebhooks_verifies_what_is_signed_with_a_shared_secret(
    partner: Partner, receiver: Receiver, happenings: Happenings
) -> None:
    webhook = partner.make(receiver.url, CANCELLED, signing="v1")
    other = partner.make(receiver.url, PUBLISHED, signing="v1")

    [event_id] = happenings.state(cancelled())
    [got] = receiver.wait()

    assert webhook["signing_secret"].startswith("whsec_")
    assert webhook["keys"][0]["public_key"] is None
    assert verify_v1(webhook["signing_secret"], got)["id"] == event_id
    with pytest.raises(WebhookVerificationError):
        verify_v1(other["signing_secret"], got)
    assert "signing_secret" not in partner.ask("GET", f"/{webhook['webhook_id']}").json()


def test_a_sample_of_every_event_can_be_sent_and_says_that_it_is_one(partner: Partner, receiver: Receiver) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    types = [item["type"] for item in partner.ask("GET", "/event-types").json()["items"]]

    for type_ in types:
        answer = partner.ask("POST", f"/{webhook['webhook_id']}/tests", {"type": type_})
        assert (answer.status_code, answer.json()["cause"]) == (202, "test")
    got = receiver.wait(len(types))

    assert sorted(received.event["type"] for received in got) == sorted(types)
    assert all(received.event["test"] is True for received in got)
    assert all(verify_v1a(webhook["keys"][0]["public_key"], received) for received in got)


def test_a_trigger_reaches_the_webhooks_that_want_the_event_and_no_other_clients(
    gateway: Gateway, partner: Partner, receiver: Receiver
) -> None:
    wanting = partner.make(receiver.url, CANCELLED)
    partner.make(receiver.url, PUBLISHED)
    stranger = Partner(gateway).make(receiver.url, CANCELLED)

    answer = partner.ask("POST", "/triggers", {"type": CANCELLED})
    [got] = receiver.wait()

    assert answer.status_code == 202
    assert answer.json()["webhook_ids"] == [wanting["webhook_id"]]
    assert got.message_id == answer.json()["message_id"]
    with pytest.raises(ValueError, match="no signature"):
        verify_v1a(stranger["keys"][0]["public_key"], got)


def test_samples_are_limited(partner: Partner, receiver: Receiver) -> None:
    answers = [partner.ask("POST", "/triggers", {"type": CANCELLED}) for _ in range(61)]

    assert [answer.status_code for answer in answers[:60]] == [202] * 60
    assert (answers[60].status_code, answers[60].headers["retry-after"]) == (429, "60")


def test_nothing_is_sent_to_a_disabled_webhook(partner: Partner, receiver: Receiver) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    path = f"/{webhook['webhook_id']}"
    message_id = partner.ask("POST", f"{path}/tests", {"type": CANCELLED}).json()["message_id"]
    partner.settled(webhook, message_id)
    partner.ask("PATCH", path, {"status": "disabled"}, **{"If-Match": '"1"'})

    for tail, body in (
        ("/tests", {"type": CANCELLED}),
        (f"/deliveries/{message_id}/resend", None),
        ("/replays", {"since": "2026-01-01T00:00:00Z"}),
    ):
        answer = partner.ask("POST", path + tail, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled"), tail
    assert partner.ask("POST", "/triggers", {"type": CANCELLED}).json()["webhook_ids"] == []


def test_one_can_be_sent_again_and_all_from_a_time_on(
    partner: Partner, receiver: Receiver, happenings: Happenings
) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    path = f"/{webhook['webhook_id']}"
    [event_id] = happenings.state(cancelled())
    partner.settled(webhook, event_id)

    again = partner.ask("POST", f"{path}/deliveries/{event_id}/resend")
    partner.settled(webhook, event_id, 2)
    asked = partner.ask("POST", f"{path}/replays", {"since": webhook["created_at"], "include_delivered": True}).json()
    partner.settled(webhook, event_id, 3)

    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert len(receiver.of(event_id)) == 3
    done = eventually(
        lambda: (r := partner.ask("GET", f"{path}/replays/{asked['replay_id']}").json())["state"] == "done" and r
    )
    assert done["scheduled"] == 1
    assert [entry["cause"] for entry in partner.delivery(webhook, event_id)["log"]] == ["event", "resend", "replay"]


@pytest.fixture
def short_gateway(engines: Engines, echo: EchoServer, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway process whose attempts are short, so that what it leaves is soon taken up."""
    running = start(engines, echo.url, tmp_path, CME_WEBHOOK_TIMEOUT_SECONDS="3")
    yield running
    stop(running)


def test_what_a_killed_gateway_had_begun_is_delivered_by_the_next(
    short_gateway: Gateway,
    killed_and_started: Callable[[Gateway, Path], None],
    receiver: Receiver,
    happenings: Happenings,
    tmp_path: Path,
) -> None:
    Partner(short_gateway).make(receiver.url, CANCELLED)
    receiver.reply = lambda _: Reply(after=60)
    events = happenings.state(*(cancelled() for _ in range(12)))
    receiver.wait(5)

    killed_and_started(short_gateway, tmp_path)
    receiver.reply = lambda _: Reply()

    assert eventually(lambda: {got.message_id for got in receiver.received} >= set(events), 60)


@pytest.mark.parametrize("moment", ["consumer.committed", "webhook.sent"])
def test_a_kill_at_the_worst_moment_loses_no_event(
    moment: str,
    gateway: Gateway,
    engines: Engines,
    broker: Broker,
    echo: EchoServer,
    tmp_path: Path,
    receiver: Receiver,
) -> None:
    webhook = Partner(gateway).make(receiver.url, CANCELLED)
    # On a bus of their own, so that no other gateway applies these events.
    apart = replace(engines, nats_url=broker.url)
    events = Happenings(broker.url).state(*(cancelled() for _ in range(8)))
    dying = start(
        apart, echo.url, tmp_path, ready=False, CME_WEBHOOK_TIMEOUT_SECONDS="3", FAILPOINTS=f"{moment}=kill@3"
    )
    assert dying.process is not None
    assert dying.process.wait(60) == -signal.SIGKILL
    dying.http.close()

    running = start(apart, echo.url, tmp_path, CME_WEBHOOK_TIMEOUT_SECONDS="3")
    eventually(lambda: {got.message_id for got in receiver.received} >= set(events), 60)
    stop(running)

    for got in receiver.received:
        verify_v1a(webhook["keys"][0]["public_key"], got)


def test_figures_count_attempts_and_what_waits(gateway: Gateway, partner: Partner, receiver: Receiver) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    message_id = partner.ask("POST", f"/{webhook['webhook_id']}/tests", {"type": CANCELLED}).json()["message_id"]
    partner.settled(webhook, message_id)

    figures = gateway.http.get("/metrics", headers=gateway.bearer(gateway.machine("operations:read"))).text

    assert 'cme_webhook_attempts_total{outcome="2xx"}' in figures
    assert 'cme_webhook_deliveries_total{outcome="delivered"}' in figures
    assert "cme_webhook_backlog " in figures
    assert "cme_webhook_oldest_seconds " in figures


def test_nothing_of_an_address_or_a_secret_is_in_the_log(
    gateway_process: Gateway, tmp_path: Path, receiver: Receiver
) -> None:
    partner = Partner(gateway_process)
    webhook = partner.make(receiver.url, CANCELLED, signing="v1")
    message_id = partner.ask("POST", f"/{webhook['webhook_id']}/tests", {"type": CANCELLED}).json()["message_id"]
    partner.settled(webhook, message_id)

    log = (tmp_path / "gateway.log").read_text(encoding="utf-8")

    assert "key=k" not in log
    assert webhook["signing_secret"].removeprefix("whsec_") not in log
    assert receiver.received[0].headers["webhook-signature"] not in log
