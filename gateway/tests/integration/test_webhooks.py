"""Webhooks through the API of a running gateway, with real receivers."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.ids import new_id
from cme_kit.testing import Broker, Engines
from standardwebhooks import WebhookVerificationError

from .conftest import EchoServer, Gateway, start, stop
from .receivers import Happenings, Receiver, Reply, verify_v1, verify_v1a

WEBHOOKS = "/gateway/v1/webhooks"
CANCELLED = "com.clustereducation.curriculum.offering.cancelled.v1"
PUBLISHED = "com.clustereducation.curriculum.offering.published.v1"


class Partner:
    """A client and its calls."""

    def __init__(self, gateway: Gateway, *scopes: str, **fields: Any) -> None:
        made = gateway.register(scopes=["gateway.webhooks:write", *scopes], **fields)
        self.client_id = made["client_id"]
        self._gateway = gateway
        self.headers = gateway.bearer((made["client_id"], made["client_secret"]))

    def ask(self, method: str, path: str = "", json: Any = None, **headers: str) -> httpx.Response:
        return self._gateway.http.request(method, WEBHOOKS + path, json=json, headers=self.headers | headers)

    def make(self, url: str, *event_types: str, **fields: Any) -> dict[str, Any]:
        answer = self.ask("POST", json={"url": url, "event_types": list(event_types), **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def delivery(self, webhook: dict[str, Any], message_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/{webhook['webhook_id']}/deliveries/{message_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def settled(self, webhook: dict[str, Any], message_id: str, attempts: int = 1) -> dict[str, Any]:
        """A delivery, once it has so many attempts."""

        def done() -> Any:
            answer = self.ask("GET", f"/{webhook['webhook_id']}/deliveries/{message_id}")
            return answer.status_code == 200 and answer.json()["attempts"] >= attempts and answer.json()

        return dict(eventually(done))


def without_secret(made: dict[str, Any]) -> dict[str, Any]:
    """A webhook as it is read later."""
    return {key: value for key, value in made.items() if key != "signing_secret"}


def eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            pytest.fail(f"it did not come about within {seconds} s")
        time.sleep(0.03)
    return found


def cancelled() -> tuple[str, OfferingCancelled]:
    offering = new_id("off")
    return offering, OfferingCancelled(offering_id=offering, programme_id=new_id("prg"), reason="Too few")


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


def test_webhooks_are_read_changed_and_removed(partner: Partner, receiver: Receiver) -> None:
    made = partner.make(receiver.url, CANCELLED, description="Course pages")
    path = f"/{made['webhook_id']}"

    read = partner.ask("GET", path)
    unconditional = partner.ask("PATCH", path, {"description": "x"})
    changed = partner.ask("PATCH", path, {"event_types": [PUBLISHED], "status": "disabled"}, **{"If-Match": '"1"'})
    stale = partner.ask("PATCH", path, {"description": "x"}, **{"If-Match": '"1"'})
    removed = partner.ask("DELETE", path)

    assert read.json() == without_secret(made)
    assert read.headers["etag"] == '"1"'
    assert unconditional.status_code == 428
    assert changed.json()["event_types"] == [PUBLISHED]
    assert (changed.json()["status"], changed.json()["disabled_reason"]) == ("disabled", "owner")
    assert changed.headers["etag"] == '"2"'
    assert stale.status_code == 412
    assert removed.status_code == 204
    assert partner.ask("GET", path).status_code == 404


def test_lists_are_paged(partner: Partner, receiver: Receiver) -> None:
    made = [partner.make(receiver.url, CANCELLED)["webhook_id"] for _ in range(3)]

    first = partner.ask("GET", "?limit=2")
    second = partner.ask("GET", f"?limit=2&after={first.json()['next']}")

    assert [item["webhook_id"] for item in first.json()["items"] + second.json()["items"]] == made
    assert 'rel="next"' in first.headers["link"]
    assert second.json()["next"] is None


def test_the_log_lists_the_newest_event_first_page_by_page_and_by_state(partner: Partner, receiver: Receiver) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    path = f"/{webhook['webhook_id']}"
    ids = [partner.ask("POST", f"{path}/tests", {"type": CANCELLED}).json()["message_id"] for _ in range(3)]
    for message_id in ids:
        partner.settled(webhook, message_id)

    first = partner.ask("GET", f"{path}/deliveries?limit=2&state=delivered").json()
    second = partner.ask("GET", f"{path}/deliveries?limit=2&after={first['next']}").json()

    listed = first["items"] + second["items"]
    assert [item["message_id"] for item in listed] == ids[::-1]
    assert {(item["state"], item["last_status"], item["attempts"]) for item in listed} == {("delivered", 200, 1)}
    assert partner.ask("GET", f"{path}/deliveries?state=failed").json()["items"] == []
    assert partner.ask("GET", f"{path}/deliveries?after=~").status_code == 200


def test_another_clients_webhook_answers_like_an_unknown_one(
    gateway: Gateway, partner: Partner, receiver: Receiver
) -> None:
    webhook = partner.make(receiver.url, CANCELLED)
    event_id = partner.ask("POST", f"/{webhook['webhook_id']}/tests", {"type": CANCELLED}).json()["message_id"]
    since = {"since": "2026-01-01T00:00:00Z"}
    rpl = partner.ask("POST", f"/{webhook['webhook_id']}/replays", since).json()["replay_id"]
    stranger = Partner(gateway)
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"status": "disabled"}),
        ("DELETE", "", None),
        ("POST", "/rotation", {}),
        ("POST", "/tests", {"type": CANCELLED}),
        ("GET", "/deliveries", None),
        ("GET", f"/deliveries/{event_id}", None),
        ("POST", f"/deliveries/{event_id}/resend", None),
        ("POST", "/replays", since),
        ("GET", f"/replays/{rpl}", None),
    ]

    for method, tail, body in calls:
        foreign = stranger.ask(method, f"/{webhook['webhook_id']}{tail}", body, **{"If-Match": '"1"'})
        unknown = stranger.ask(method, f"/{new_id('hook')}{tail}", body, **{"If-Match": '"1"'})
        assert foreign.status_code == unknown.status_code == 404, (method, tail, foreign.text)
        assert foreign.json()["detail"] == unknown.json()["detail"]
    assert stranger.ask("GET").json()["items"] == []
    assert partner.ask("GET", f"/{webhook['webhook_id']}").json()["status"] == "active"


@pytest.mark.parametrize("webhook_id", ["x", "hook_", "hook_" + "0" * 200, "..%2f", "%00", "{$ne:1}"])
def test_what_is_no_id_is_unknown(partner: Partner, webhook_id: str) -> None:
    assert partner.ask("GET", f"/{webhook_id}").status_code in (400, 404, 422)
    assert partner.ask("GET", f"/{new_id('hook')}/deliveries/{webhook_id}").status_code in (400, 404, 422)


def test_only_a_client_with_the_scope_has_webhooks(gateway: Gateway, partner: Partner) -> None:
    others = gateway.bearer(gateway.machine("enrolment.applications:read"))

    assert gateway.http.get(WEBHOOKS).status_code == 401
    assert gateway.http.get(WEBHOOKS, headers=others).status_code == 403
    assert partner.ask("GET").status_code == 200


def test_a_secret_is_the_same_when_a_creation_is_repeated_and_another_one_for_every_other(
    partner: Partner, receiver: Receiver
) -> None:
    body = {"url": receiver.url, "event_types": [CANCELLED], "signing": "v1"}

    once = partner.ask("POST", "", body, **{"Idempotency-Key": "first"})
    again = partner.ask("POST", "", body, **{"Idempotency-Key": "first"})
    other = partner.ask("POST", "", body, **{"Idempotency-Key": "second"})
    path = f"/{once.json()['webhook_id']}/rotation"
    rotated = partner.ask("POST", path, {}, **{"Idempotency-Key": "first"})

    assert once.json() == again.json()
    secrets = {answer.json()["signing_secret"] for answer in (once, other, rotated)}
    assert len(secrets) == 3
    assert len(partner.ask("GET").json()["items"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://example.org/", "event_types": []},
        {"url": "https://example.org/", "event_types": [CANCELLED, CANCELLED]},
        {"url": "https://example.org/", "event_types": ["com.clustereducation.enrolment.person.registered.v1"]},
        {"url": "https://example.org/", "event_types": ["nothing.of.ours"]},
        {"url": "https://example.org/", "event_types": [CANCELLED], "signing": "v2"},
        {"url": "https://example.org/", "event_types": [CANCELLED], "client_id": "another"},
        {"url": "https://example.org/", "event_types": [CANCELLED], "status": "disabled"},
        {"url": ["https://example.org/"], "event_types": [CANCELLED]},
        {"url": "https://example.org/", "event_types": [CANCELLED], "description": "x" * 201},
    ],
)
def test_a_body_that_does_not_fit_is_refused(partner: Partner, body: Any) -> None:
    answer = partner.ask("POST", "", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert partner.ask("GET").json()["items"] == []


def test_an_event_that_the_client_may_not_know_is_refused_with_the_scope_that_it_lacks(
    partner: Partner, receiver: Receiver
) -> None:
    learner = "com.clustereducation.enrolment.learner.enrolled.v1"

    refused = partner.ask("POST", "", {"url": receiver.url, "event_types": [CANCELLED, learner]})
    listed = {item["type"]: item for item in partner.ask("GET", "/event-types").json()["items"]}

    assert (refused.status_code, refused.json()["code"]) == (422, "event_not_available")
    assert "enrolment.learners:read" in refused.json()["detail"]
    assert listed[learner]["available"] is False
    assert listed[learner]["scope"] == "enrolment.learners:read"
    assert listed[CANCELLED]["available"] is True
    assert listed[CANCELLED]["example"]["data"]["reason"]
    assert "com.clustereducation.enrolment.person.registered.v1" not in listed


def test_an_address_in_a_private_network_is_refused_when_a_webhook_is_made_and_when_it_is_changed(
    strict_partner: Partner,
) -> None:
    webhook = strict_partner.make("https://93.184.215.14/hooks", CANCELLED)

    for url in (
        *("http://93.184.215.14/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"),
        *("https://0x7f.1/", "https://2130706433/", "https://169.254.169.254/latest/meta-data", "https://localhost./"),
        *("https://user@93.184.215.14/", "https://10.0.0.1/", "https://[fe80::1]/", "https://93.184.215.14:22/"),
        *("https://no-such-name.invalid/", "file:///etc/passwd", "gopher://93.184.215.14/"),
    ):
        made = strict_partner.ask("POST", "", {"url": url, "event_types": [CANCELLED]})
        changed = strict_partner.ask("PATCH", f"/{webhook['webhook_id']}", {"url": url}, **{"If-Match": '"1"'})
        for answer in (made, changed):
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_webhook_address"), answer.text
            assert answer.json()["errors"][0]["field"] == "body.url"
    assert strict_partner.ask("GET").json()["items"] == [without_secret(webhook)]
    strict_partner.ask("DELETE", f"/{webhook['webhook_id']}")


@pytest.fixture
def strict_partner(another_gateway: Callable[..., Gateway]) -> Partner:
    """A client of a gateway as it is in production."""
    return Partner(another_gateway(webhook_private_addresses=False))


def test_a_client_has_at_most_twenty_webhooks(partner: Partner, receiver: Receiver) -> None:
    for _ in range(20):
        partner.make(receiver.url, CANCELLED)

    refused = partner.ask("POST", "", {"url": receiver.url, "event_types": [CANCELLED]})

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")


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

    eventually(lambda: {got.message_id for got in receiver.received} >= set(events), 60)


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
