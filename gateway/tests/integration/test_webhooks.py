"""Webhooks through the API of a running gateway, with real receivers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.ids import new_id
from standardwebhooks import WebhookVerificationError

from .conftest import Gateway
from .receivers import Happenings, Receiver, verify_v1, verify_v1a

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
        return eventually(lambda: (d := self.delivery(webhook, message_id))["attempts"] >= attempts and d)


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
