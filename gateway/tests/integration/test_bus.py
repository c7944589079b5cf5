"""The gateway on the bus: it works without a broker, and what it cannot apply waits for an operator."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

import nats
import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_kit.ids import new_event_id, new_id
from cme_kit.testing import Engines, free_port
from nats.js.api import StreamConfig

from .conftest import Gateway
from .receivers import Happenings

OPERATIONS = "/gateway/v1/operations"
SUBJECT = "cme.curriculum.offering.cancelled.v1"


def test_it_starts_issues_tokens_and_passes_requests_on_without_a_broker(
    another_gateway: Callable[..., Gateway],
) -> None:
    gateway = another_gateway(nats_url=f"nats://127.0.0.1:{free_port()}")

    client = gateway.machine("operations:read", "operations:write", "enrolment.learners:read")
    headers = gateway.bearer(client)
    answer = gateway.http.get("/enrolment/v1/learners", headers=headers)

    assert answer.status_code == 200
    assert gateway.http.get("/health/ready").status_code == 200
    for method, path in (
        ("GET", "/dead-letters"),
        ("GET", "/figures"),
        ("GET", "/consumers"),
        ("POST", "/dead-letters/1/redrive"),
    ):
        away = gateway.http.request(method, OPERATIONS + path, headers=headers)
        assert (away.status_code, away.json()["code"]) == (503, "unavailable"), path
    assert 'cme_engine_up{engine="broker"} 0.0' in gateway.http.get("/metrics", headers=headers).text


@pytest.fixture
def operator(gateway: Gateway) -> Callable[..., Any]:
    """Asks as an operator, and reads the JSON."""
    headers = gateway.bearer(gateway.machine("operations:read", "operations:write"))

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = gateway.http.request(method, OPERATIONS + path, headers=headers, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    return ask


def test_an_event_that_it_cannot_read_becomes_a_dead_letter_that_an_operator_discards(
    engines: Engines, happenings: Happenings, operator: Callable[..., Any]
) -> None:
    happenings.state(("off_1", OfferingCancelled(offering_id="off_1", programme_id="prg_1", reason="x")))
    event_id, offering = str(new_event_id()), new_id("off")
    asyncio.run(_publish_broken(engines, event_id, offering))

    letter = _eventually(lambda: _letter_of(operator, event_id))
    shown = operator("GET", f"/dead-letters/{letter['number']}")
    before = operator("GET", "/figures")["dead_letters"]
    operator("POST", f"/dead-letters/{letter['number']}/discard", {"reason": "a test"})

    assert (letter["subject"], letter["aggregate"]) == (SUBJECT, offering)
    assert "body does not fit" in letter["reason"]
    assert json.loads(shown["body"])["data"] == {"offering_id": 7}
    assert _letter_of(operator, event_id) is None
    assert operator("GET", "/figures")["dead_letters"] == before - 1


def test_operators_see_how_far_it_is_behind(gateway: Gateway, operator: Callable[..., Any]) -> None:
    streams = {f"CME_{name}" for name in ("ENROLMENT", "CURRICULUM", "ASSESSMENT", "CREDENTIALS", "OUTREACH")}
    headers = gateway.bearer(gateway.machine("operations:read"))

    consumers = operator("GET", "/consumers")
    figures = gateway.http.get("/metrics", headers=headers).text

    assert {item["stream"] for item in consumers["items"]} == streams
    assert set(re.findall(r'cme_consumer_lag\{stream="(\w+)"\}', figures)) == streams


async def _publish_broken(engines: Engines, event_id: str, offering: str) -> None:
    connection = await nats.connect(engines.nats_url, user="test", password="test")
    jetstream = connection.jetstream()
    assert isinstance((await jetstream.stream_info("CME_CURRICULUM")).config, StreamConfig)
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/curriculum",
        "type": "com.clustereducation.curriculum.offering.cancelled.v1",
        "subject": offering,
        "time": "2026-11-27T09:00:00Z",
        "dataschema": "https://clustereducation.example/schemas/x.json",
        "sequence": 1,
        "data": {"offering_id": 7},
    }
    await jetstream.publish(SUBJECT, json.dumps(envelope).encode())
    await connection.close()


def _letter_of(operator: Callable[..., Any], event_id: str) -> Any:
    items = operator("GET", "/dead-letters?limit=500")["items"]
    return next((item for item in items if item["event_id"] == event_id), None)


def _eventually(check: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            pytest.fail("it did not come about")
        time.sleep(0.05)
    return found
