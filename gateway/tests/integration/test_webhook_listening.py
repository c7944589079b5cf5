"""Listening: a client is streamed what its webhooks would be sent."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from .conftest import Gateway
from .receivers import Happenings, Received, verify_v1, verify_v1a
from .webhook_partners import CANCELLED, PUBLISHED, Partner, cancelled

LISTEN = "/gateway/v1/webhooks/listen"


class Stream:
    """The events of one open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, dict[str, Any], str | None]:
        """Name, data and id of the next event; signs of life are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id")
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        pytest.fail("the stream ended")


def received(event: dict[str, Any]) -> Received:
    """A delivery as a local receiver gets it passed on."""
    return Received("/", event["headers"], event["body"].encode(), 0)


@contextmanager
def listening(gateway: Gateway, partner: Partner, query: str = "", **headers: str) -> Iterator[Stream]:
    with (
        httpx.Client(base_url=gateway.url, timeout=20) as http,
        http.stream("GET", LISTEN + query, headers=partner.headers | headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Stream(response)


@pytest.fixture
def partner(gateway: Gateway) -> Partner:
    return Partner(gateway)


def test_what_happens_is_streamed_signed_with_the_clients_own_key(
    gateway: Gateway, partner: Partner, happenings: Happenings
) -> None:
    with listening(gateway, partner) as stream:
        ready, key, _ = stream.next()
        [event_id] = happenings.state(cancelled())
        name, delivery, id_ = stream.next()

    assert ready == "ready"
    assert (key["client_id"], key["signing_secret"]) == (partner.client_id, None)
    assert (name, id_) == ("delivery", event_id)
    assert verify_v1a(key["public_key"], received(delivery))["id"] == event_id
    assert set(delivery["headers"]) == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_the_key_is_the_same_each_time_and_another_one_for_another_client(gateway: Gateway, partner: Partner) -> None:
    keys = []
    for who in (partner, partner, Partner(gateway)):
        with listening(gateway, who, "?signing=v1") as stream:
            keys.append(stream.next()[1]["signing_secret"])

    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith("whsec_")


def test_a_trigger_is_streamed_to_its_client_alone_and_standardwebhooks_verifies_it(
    gateway: Gateway, partner: Partner
) -> None:
    stranger = Partner(gateway)
    with (
        listening(gateway, partner, f"?signing=v1&event_type={CANCELLED}") as stream,
        listening(gateway, stranger) as other,
    ):
        secret = stream.next()[1]["signing_secret"]
        other.next()
        partner.ask("POST", "/triggers", {"type": PUBLISHED})
        sent = partner.ask("POST", "/triggers", {"type": CANCELLED}).json()["message_id"]
        theirs = stranger.ask("POST", "/triggers", {"type": PUBLISHED}).json()["message_id"]
        _, delivery, id_ = stream.next()
        _, _, others_id = other.next()

    assert id_ == sent
    assert verify_v1(secret, received(delivery))["test"] is True
    assert others_id == theirs


def test_who_comes_back_is_told_what_came_meanwhile(gateway: Gateway, partner: Partner, happenings: Happenings) -> None:
    with listening(gateway, partner) as stream:
        stream.next()
        [first] = happenings.state(cancelled())
        assert stream.next()[2] == first
        missed = happenings.state(*(cancelled() for _ in range(2)))
        assert sorted(str(stream.next()[2]) for _ in missed) == sorted(missed)

    with listening(gateway, partner, **{"Last-Event-ID": first}) as stream:
        stream.next()
        again = [stream.next()[2] for _ in missed]

    assert again == missed


def test_what_cannot_be_listened_to_is_refused(gateway: Gateway, partner: Partner) -> None:
    learner = "com.clustereducation.enrolment.learner.enrolled.v1"
    ask = gateway.http.get

    assert ask(LISTEN).status_code == 401
    assert ask(LISTEN, headers=gateway.bearer(gateway.machine())).status_code == 403
    assert ask(f"{LISTEN}?event_type={learner}", headers=partner.headers).json()["code"] == "event_not_available"
    assert ask(f"{LISTEN}?event_type=nothing", headers=partner.headers).json()["code"] == "invalid_request"
    assert ask(LISTEN, headers=partner.headers | {"Last-Event-ID": "x"}).json()["code"] == "bad_cursor"


def test_a_sixth_listener_of_a_client_is_refused(gateway: Gateway, partner: Partner) -> None:
    with (
        listening(gateway, partner) as a,
        listening(gateway, partner) as b,
        listening(gateway, partner) as c,
        listening(gateway, partner) as d,
        listening(gateway, partner) as e,
    ):
        for stream in (a, b, c, d, e):
            stream.next()
        refused = gateway.http.get(LISTEN, headers=partner.headers)

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert "End one of these streams first" in refused.json()["detail"]


def test_listeners_do_not_keep_a_gateway_from_stopping(gateway_process: Gateway) -> None:
    with listening(gateway_process, Partner(gateway_process)) as stream:
        stream.next()
        process = gateway_process.process
        assert process is not None
        ended = threading.Thread(target=process.wait)
        process.send_signal(signal.SIGTERM)
        ended.start()
        with pytest.raises(pytest.fail.Exception, match="the stream ended"):
            stream.next()
        ended.join(20)

    assert process.returncode is not None
