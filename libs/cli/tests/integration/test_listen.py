"""`cme listen`: each delivery reaches this machine once, as it would reach a webhook."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cme_cli.listen import LISTEN, TYPES

from .conftest import Asked, Cme, Place, Said, as_json

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
TYPE = "com.clustereducation.enrolment.learner.enrolled.v1"
KNOWN = {
    "items": [{"type": TYPE, "summary": "A learner began.", "scope": "enrolment.learners:read", "available": True}]
}


def event(name: str, document: Any, id_: str = "") -> str:
    return f"event: {name}\n" + (f"id: {id_}\n" if id_ else "") + f"data: {json.dumps(document)}\n\n"


READY = event("ready", {"client_id": "client", "signing": "v1", "signing_secret": SECRET, "public_key": None})


def delivery(id_: str) -> str:
    body = json.dumps({"type": TYPE, "id": id_})
    signed = hmac.digest(b"k" * 32, f"{id_}.100.{body}".encode(), hashlib.sha256)
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": "100",
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }
    return event("delivery", {"type": TYPE, "headers": headers, "body": body}, id_)


def streams(gateway: Place, *texts: str) -> None:
    """What each connection is streamed, one after the other."""
    left = list(texts)

    def answer(_: Asked) -> Said:
        return Said(200, {"Content-Type": "text/event-stream"}, left.pop(0).encode())

    gateway.answers[LISTEN] = answer


def verified(asked: Asked) -> bool:
    content = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    signed = base64.b64encode(hmac.digest(b"k" * 32, content, hashlib.sha256)).decode()
    return asked.headers["webhook-signature"] == f"v1,{signed}"


def test_a_delivery_is_forwarded_as_it_would_be_sent(gateway: Place, hook: Place, cme: Cme) -> None:
    streams(gateway, READY + ": listening\n\n" + delivery("1"))
    hook.answers["/hook"] = lambda _: Said(204)

    ended = cme("listen", "--forward-to", f"{hook.url}/hook", "--count", "1")

    assert ended.code == 0
    assert [verified(asked) for asked in hook.asked] == [True]
    assert hook.asked[0].headers["Content-Type"] == "application/cloudevents+json"
    assert "Authorization" not in hook.asked[0].headers
    assert SECRET in ended.err
    assert "enrolment.learner.enrolled  204" in ended.out


def test_a_stream_that_ends_is_taken_up_where_it_was(gateway: Place, hook: Place, cme: Cme) -> None:
    streams(gateway, READY + delivery("1"), READY + delivery("2") + delivery("3"))
    hook.answers["/hook"] = lambda _: Said(200)

    ended = cme("listen", "--forward-to", f"{hook.url}/hook", "--count", "3")

    assert [asked.headers["webhook-id"] for asked in hook.asked] == ["1", "2", "3"]
    assert [asked.headers.get("Last-Event-ID") for asked in gateway.asked] == [None, "1"]
    assert gateway.tokens == 2
    assert ended.err.count("Signing secret") == 1


def test_a_gateway_that_restarts_is_waited_for(gateway: Place, cme: Cme) -> None:
    left = [
        Said(200, {}, (READY + delivery("1")).encode()),
        Said(503, {}, b""),
        Said(200, {}, (READY + delivery("2")).encode()),
    ]
    gateway.answers[LISTEN] = lambda _: left.pop(0)

    ended = cme("listen", "--count", "2")

    assert ended.code == 0
    assert "connection lost (503" in ended.err
    assert [asked.headers.get("Last-Event-ID") for asked in gateway.asked] == [None, "1", "1"]


def test_a_receiver_that_fails_is_shown_and_ends_nothing(gateway: Place, hook: Place, cme: Cme) -> None:
    streams(gateway, READY + delivery("1") + delivery("2"))
    hook.answers["/hook"] = lambda _: Said(500)

    ended = cme("listen", "--forward-to", f"{hook.url}/hook", "--count", "2", "--json")

    documents = [json.loads(line) for line in ended.out.splitlines()]
    assert [(one["event"], one.get("status")) for one in documents] == [
        ("ready", None),
        ("delivery", 500),
        ("delivery", 500),
    ]
    assert documents[1]["body"]["id"] == "1"


def test_a_receiver_that_is_away_is_shown_and_ends_nothing(gateway: Place, cme: Cme) -> None:
    streams(gateway, READY + delivery("1"))

    ended = cme("listen", "--forward-to", "http://127.0.0.1:9/hook", "--count", "1", "--json")

    assert "does not answer" in json.loads(ended.out.splitlines()[-1])["error"]


def test_what_was_dropped_is_told(gateway: Place, cme: Cme) -> None:
    streams(gateway, READY + event("dropped", {"messages": 3}) + delivery("1"))

    assert "3 deliveries were dropped" in cme("listen", "--count", "1").err


def test_only_what_is_wanted_is_asked_for(gateway: Place, cme: Cme) -> None:
    gateway.answers[TYPES] = lambda _: as_json(200, KNOWN)
    streams(gateway, READY + delivery("1"))

    cme("listen", "--events", "enrolment.learner.enrolled, ", "--signing", "v1a", "--count", "1")

    assert gateway.asked[-1].path == f"{LISTEN}?signing=v1a&event_type={TYPE}"


def test_a_client_that_may_not_listen_is_told_why_and_not_asked_again(gateway: Place, cme: Cme) -> None:
    gateway.answers[LISTEN] = lambda _: as_json(403, {"code": "insufficient_scope", "detail": "Ask for the scope."})

    ended = cme("listen")

    assert (ended.code, ended.err) == (1, "cme: 403 insufficient_scope: Ask for the scope.\n")
    assert len(gateway.asked) == 1


def test_nothing_is_forwarded_to_what_is_no_address(gateway: Place, cme: Cme) -> None:
    ended = cme("listen", "--forward-to", "127.0.0.1:3000")

    assert ended.code == 2
    assert "http://127.0.0.1:3000/hook" in ended.err
    assert gateway.asked == []
