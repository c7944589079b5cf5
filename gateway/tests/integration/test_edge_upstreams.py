"""Services that fail: what is repeated, who is left alone, and what a service is told of the time it has."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cme_kit.testing import free_port
from gateway.edge.breaker import FAILURES, OPEN_SECONDS

from .scripted import Answer, Scripted, hanging_up

SUBMITTED = "/enrolment/v1/applications"
WRITE = "/assessment/v1/marks/mrk_1"


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("HEAD", None), ("DELETE", None), ("PUT", b'{"points":1}')],
)
def test_what_may_be_done_twice_is_sent_once_more_when_the_service_broke_off(
    another_gateway: Any, method: str, body: bytes | None
) -> None:
    with hanging_up(times=1) as service:
        gateway = another_gateway(service.url)
        bearer = gateway.bearer(gateway.machine("assessment.marks:write"))

        answer = gateway.http.request(method, WRITE, content=body, headers=bearer)

    assert answer.status_code == 204
    assert service.connections == 2


@pytest.mark.parametrize(
    ("method", "kind"), [("POST", "application/json"), ("PATCH", "application/json"), ("PUT", "text/csv")]
)
def test_what_may_not_or_cannot_be_sent_again_is_not(another_gateway: Any, method: str, kind: str) -> None:
    with hanging_up(times=1) as service:
        gateway = another_gateway(service.url)
        bearer = gateway.bearer(gateway.machine("assessment.marks:write")) | {"Content-Type": kind}

        answer = gateway.http.request(method, WRITE, content=b"{}", headers=bearer | {"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")
    assert service.connections == 1


def test_it_is_sent_at_most_twice(another_gateway: Any) -> None:
    with hanging_up(times=9) as service:
        answer = another_gateway(service.url).http.get("/courses")

    assert answer.status_code == 502
    assert service.connections == 2


def test_an_error_that_a_service_answers_is_its_answer(another_gateway: Any, scripted: Scripted) -> None:
    scripted.answers["/courses"] = Answer(status=500)

    answer = another_gateway(scripted.url).http.get("/courses")

    assert answer.status_code == 500
    assert len(scripted.asked) == 1


def test_a_service_that_failed_again_and_again_is_left_alone_for_a_moment(another_gateway: Any) -> None:
    with hanging_up(times=FAILURES) as service:
        gateway = another_gateway(service.url)

        broken = [gateway.http.post("/verify").status_code for _ in range(FAILURES)]
        left_alone = gateway.http.post("/verify")
        asked = service.connections
        time.sleep(OPEN_SECONDS)
        again = gateway.http.post("/verify")

    assert broken == [502] * FAILURES
    assert (left_alone.status_code, left_alone.json()["code"]) == (503, "upstream_down")
    assert left_alone.headers["retry-after"] == "1"
    assert (asked, again.status_code) == (FAILURES, 204)


def test_one_service_that_is_down_takes_no_other_with_it(another_gateway: Any, scripted: Scripted) -> None:
    gateway = another_gateway(upstreams={"credentials": f"http://127.0.0.1:{free_port()}", "curriculum": scripted.url})

    down = [gateway.http.get("/verify").status_code for _ in range(2 * FAILURES)]

    assert down == [503] * len(down)
    assert gateway.http.get("/courses").status_code == 200


def test_a_service_is_told_how_long_it_has_and_no_caller_says_so(another_gateway: Any, scripted: Scripted) -> None:
    gateway = another_gateway(scripted.url, deadline_seconds=3)

    gateway.http.get("/courses", headers={"x-envoy-expected-rq-timeout-ms": "1", "X-Envoy-Max-Retries": "9"})

    headers = scripted.asked[0].headers
    assert 2_000 < int(headers["x-envoy-expected-rq-timeout-ms"]) <= 3_000
    assert "x-envoy-max-retries" not in headers
