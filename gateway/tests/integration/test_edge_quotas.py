"""Quotas of a day, and limits of one client in the table of routes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from gateway.edge.routes import PACKAGED

PATH = "/enrolment/v1/applications/app_1"


@pytest.fixture
def routes_file(tmp_path: Path) -> Any:
    """The packaged table with more at its end."""

    def write(more: str) -> Path:
        path = tmp_path / "routes.toml"
        path.write_text(PACKAGED.read_text(encoding="utf-8") + more, encoding="utf-8")
        return path

    return write


def test_a_client_that_used_its_day_waits_for_midnight_and_others_do_not(another_gateway: Any) -> None:
    gateway = another_gateway(quota_per_day=3)
    first, second = gateway.bearer(gateway.machine()), gateway.bearer(gateway.machine())

    answers = [gateway.http.get(PATH, headers=first) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400
    assert refused.headers["ratelimit"].startswith('"daily";r=0;t=')
    assert answers[0].headers["ratelimit-policy"].endswith(', "daily";q=3;w=86400')
    assert ', "daily";r=2;t=' in answers[0].headers["ratelimit"]
    assert gateway.http.get(PATH, headers=second).status_code == 200


def test_who_may_not_is_counted_as_well(another_gateway: Any) -> None:
    gateway = another_gateway(quota_per_day=2)
    bearer = gateway.bearer(gateway.machine("credentials.awards:read"))

    answers = [gateway.http.get(PATH, headers=bearer) for _ in range(3)]

    assert [answer.json()["code"] for answer in answers] == [*["insufficient_scope"] * 2, "quota_exceeded"]


def test_groups_of_routes_are_counted_apart(another_gateway: Any) -> None:
    gateway = another_gateway(quota_per_day=1)
    bearer = gateway.bearer(gateway.machine("enrolment.applications:read", "credentials.awards:read"))

    answers = [gateway.http.get(path, headers=bearer).status_code for path in (PATH, PATH, "/credentials/v1/awards")]

    assert answers == [200, 429, 200]


def test_what_was_used_is_known_after_a_restart(another_gateway: Any) -> None:
    before = another_gateway(quota_per_day=2)
    client = before.machine()
    bearer = before.bearer(client)
    for _ in range(2):
        assert before.http.get(PATH, headers=bearer).status_code == 200
    before.ended()

    after = another_gateway(quota_per_day=2)

    assert after.http.get(PATH, headers=after.bearer(client)).status_code == 429


def test_what_another_replica_counted_is_known_within_seconds(another_gateway: Any) -> None:
    one, other = another_gateway(quota_per_day=50), another_gateway(quota_per_day=50)
    client = one.machine()
    of_one, of_other = one.bearer(client), other.bearer(client)
    assert other.http.get(PATH, headers=of_other).headers["ratelimit"].split(", ")[1].startswith('"daily";r=49')
    for _ in range(20):
        one.http.get(PATH, headers=of_one)

    deadline = time.monotonic() + 60
    left = 49
    while left > 28 and time.monotonic() < deadline:
        time.sleep(1)
        daily = other.http.get(PATH, headers=of_other).headers["ratelimit"].split(", ")[1]
        left = int(daily.split(";")[1].removeprefix("r="))

    assert left <= 28


def test_one_client_may_have_limits_of_its_own(another_gateway: Any, routes_file: Any) -> None:
    table = routes_file(
        '[[limit]]\nclient = "busy"\nper_day = 7\n\n[[limit]]\ngroup = "enrolment"\nclient = "busy"\nburst = 900\n'
    )
    gateway = another_gateway(routes_file=table)
    secret = gateway.register(client_id="busy")["client_secret"]
    busy, usual = gateway.bearer(("busy", secret)), gateway.bearer(gateway.machine())

    policies = [gateway.http.get(PATH, headers=bearer).headers["ratelimit-policy"] for bearer in (busy, usual)]

    assert policies == [
        '"default";q=900;w=2, "daily";q=7;w=86400',
        '"default";q=1200;w=2, "daily";q=2000000;w=86400',
    ]


def test_a_route_that_ends_says_when_and_where_to_read_about_it(another_gateway: Any, routes_file: Any) -> None:
    table = routes_file(
        '[[route]]\nprefix = "/enrolment/v1/calls"\nservice = "enrolment"\npublic = ["GET /enrolment/v1/calls"]\n'
        "deprecated = 2026-06-01T00:00:00Z\nsunset = 2027-06-01T00:00:00Z\n"
        'deprecation_link = "https://clustereducation.example/changes"\n'
    )
    gateway = another_gateway(routes_file=table)

    ending, staying = gateway.http.get("/enrolment/v1/calls"), gateway.http.get("/courses")
    refused = gateway.http.get("/enrolment/v1/calls/call_1")

    for answer in (ending, refused):
        assert answer.headers["deprecation"] == "@1780272000"
        assert answer.headers["sunset"] == "Tue, 01 Jun 2027 00:00:00 GMT"
        assert answer.headers["link"] == (
            '<https://clustereducation.example/changes>; rel="deprecation"; type="text/html"'
        )
    assert (ending.status_code, refused.status_code) == (200, 401)
    assert "deprecation" not in staying.headers


def test_who_guesses_tokens_is_told_to_wait(another_gateway: Any) -> None:
    gateway = another_gateway(rate_per_second=1, rate_burst=3)

    answers = [gateway.http.get(PATH, headers={"Authorization": f"Bearer guess-{n}"}).status_code for n in range(5)]

    assert answers == [401, 401, 401, 429, 429]
