"""The sandbox: the same routes below a prefix, to other services, with other tokens."""

from __future__ import annotations

from typing import Any

import pytest

from .raw_http import raw, statuses
from .scripted import Scripted

PATH = "/enrolment/v1/applications/app_1"


@pytest.fixture
def gateway(another_gateway: Any, scripted: Scripted) -> Any:
    """A gateway with a sandbox."""
    return another_gateway(sandbox_upstreams={"enrolment": scripted.url, "curriculum": scripted.url})


def bearer_of_a_sandbox_client(gateway: Any) -> dict[str, str]:
    made = gateway.register(sandbox=True, scopes=["enrolment.applications:read"])
    bearer: dict[str, str] = gateway.bearer((made["client_id"], made["client_secret"]))
    return bearer


def test_the_prefix_leads_to_the_services_of_the_sandbox_and_goes_no_further(gateway: Any, scripted: Scripted) -> None:
    tester = bearer_of_a_sandbox_client(gateway)

    answer = gateway.http.get(f"/sandbox{PATH}?a=%20b", headers=tester)
    anonymous = gateway.http.get("/sandbox/courses")

    assert (answer.status_code, anonymous.status_code) == (200, 200)
    assert [asked.target for asked in scripted.asked] == [f"{PATH}?a=%20b", "/courses"]


def test_a_token_opens_one_of_the_two(gateway: Any, scripted: Scripted) -> None:
    live, tester = gateway.bearer(gateway.machine()), bearer_of_a_sandbox_client(gateway)

    crossed = [gateway.http.get(f"/sandbox{PATH}", headers=live), gateway.http.get(PATH, headers=tester)]

    assert [(answer.status_code, answer.json()["code"]) for answer in crossed] == [(401, "invalid_token")] * 2
    assert "/.well-known/oauth-protected-resource/sandbox" in crossed[0].headers["www-authenticate"]
    assert scripted.asked == []


def test_without_a_sandbox_there_is_nothing_below_its_prefix(another_gateway: Any) -> None:
    gateway = another_gateway()

    assert gateway.http.get("/sandbox/courses").status_code == 404


@pytest.mark.parametrize(
    "target", [b"/sandbox", b"/sandbox/", b"/sandboxes/courses", b"/sandbox/sandbox/courses", b"/%73andbox/courses"]
)
def test_only_the_plain_prefix_is_one(gateway: Any, scripted: Scripted, target: bytes) -> None:
    answer = raw(gateway, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [404]
    assert scripted.asked == []


def test_a_service_that_the_sandbox_lacks_is_not_there(gateway: Any) -> None:
    assert gateway.http.get("/sandbox/badges/crd_1").status_code == 404
