"""Partners that use the webhooks of a running gateway through its API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.ids import new_id

from .conftest import Gateway

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
