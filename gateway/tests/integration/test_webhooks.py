"""Webhooks through the API of a running gateway: making them, reading them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cme_kit.ids import new_id

from .conftest import Gateway
from .receivers import Receiver
from .webhook_partners import CANCELLED, PUBLISHED, WEBHOOKS, Partner, without_secret


@pytest.fixture
def partner(gateway: Gateway) -> Partner:
    return Partner(gateway)


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
