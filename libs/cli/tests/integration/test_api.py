"""`cme api`: what is sent, what is printed, how it ends."""

import json
import socket
from pathlib import Path

import pytest

from .conftest import Cme, Place, Said, as_json

LIST = "/curriculum/v1/offerings"


def test_a_call_is_made_with_a_token_and_its_answer_printed(gateway: Place, cme: Cme) -> None:
    gateway.answers[LIST] = lambda _: as_json(200, {"items": [], "next": None})

    ended = cme("api", "get", LIST, "-q", "limit=1", "-q", "q=å b")

    assert (ended.code, json.loads(ended.out), ended.err) == (0, {"items": [], "next": None}, "")
    assert gateway.asked[0].path == f"{LIST}?limit=1&q=%C3%A5+b"
    assert gateway.asked[0].headers["Authorization"].startswith("Bearer e30.")
    assert "Idempotency-Key" not in gateway.asked[0].headers


def test_a_client_of_the_sandbox_calls_the_sandbox(gateway: Place, cme: Cme) -> None:
    gateway.audience = f"{gateway.url}/sandbox"
    gateway.answers[f"/sandbox{LIST}"] = lambda _: as_json(200, {})
    gateway.answers["/gateway/v1/webhooks"] = lambda _: as_json(200, {})

    assert cme("api", "GET", LIST).code == 0
    assert cme("api", "GET", f"/sandbox{LIST}").code == 0
    assert cme("api", "GET", f"{gateway.url}/sandbox{LIST}").code == 0
    assert cme("api", "GET", "/gateway/v1/webhooks").code == 0


def test_a_body_is_sent_as_json_under_a_key_of_its_own(gateway: Place, cme: Cme, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"name": "ä"}')
    gateway.answers[LIST] = lambda _: as_json(201, {})

    cme("api", "POST", LIST, "-f", "body.json")
    cme("api", "POST", LIST, "-f", "body.json", "-H", "idempotency-key: mine", "-H", "Content-Type: text/csv")

    first, second = gateway.asked
    assert json.loads(first.body) == {"name": "ä"}
    assert first.headers["Content-Type"] == "application/json"
    assert len(first.headers["Idempotency-Key"]) == 32
    assert (second.headers["Idempotency-Key"], second.headers["Content-Type"]) == ("mine", "text/csv")


def test_headers_are_printed_when_asked_for(gateway: Place, cme: Cme) -> None:
    gateway.answers[LIST] = lambda _: as_json(200, {"a": 1}, ETag='"3"')

    head, _, body = cme("api", "GET", LIST, "-i").out.partition("\n\n")

    assert head.splitlines()[0] == "HTTP 200 OK"
    assert 'ETag: "3"' in head
    assert json.loads(body) == {"a": 1}


def test_a_list_is_read_to_its_end(gateway: Place, cme: Cme) -> None:
    pages = {"": ([1, 2], "b"), "b": ([3], None)}
    gateway.answers[LIST] = lambda asked: as_json(
        200, dict(zip(("items", "next"), pages[asked.path.partition("after=")[2]], strict=True))
    )

    ended = cme("api", "GET", f"{LIST}?limit=2", "--all")

    assert json.loads(ended.out) == [1, 2, 3]
    assert [asked.path for asked in gateway.asked] == [f"{LIST}?limit=2", f"{LIST}?limit=2&after=b"]


def test_a_problem_is_explained_beside_the_output_and_ends_with_1(gateway: Place, cme: Cme) -> None:
    problem = {
        "code": "invalid_request",
        "detail": "Two fields are wrong.",
        "errors": [{"field": "body.name", "detail": "is missing"}],
        "trace_id": "4bf9",
    }
    gateway.answers[LIST] = lambda _: as_json(422, problem)

    ended = cme("api", "POST", LIST)

    assert ended.code == 1
    assert json.loads(ended.out) == problem
    assert ended.err.splitlines() == [
        "422 invalid_request: Two fields are wrong.",
        "  body.name: is missing",
        "  trace 4bf9",
    ]


def test_a_failure_that_is_not_the_callers_ends_with_3(gateway: Place, cme: Cme) -> None:
    gateway.answers[LIST] = lambda _: Said(503, {"Retry-After": "60"}, b"not JSON")

    ended = cme("api", "GET", LIST)

    assert ended.code == 3
    assert ended.err.splitlines() == ["503 Service Unavailable: not JSON", "  again after 60 s"]


def test_what_is_there_in_a_moment_is_asked_for_again_under_the_same_key(gateway: Place, cme: Cme) -> None:
    left = [as_json(503, {"code": "sandbox_filling"}, **{"Retry-After": "0"}), as_json(201, {"made": True})]
    gateway.answers[LIST] = lambda _: left.pop(0)

    ended = cme("api", "POST", LIST)

    assert (ended.code, json.loads(ended.out)) == (0, {"made": True})
    assert "503 sandbox_filling Asking again in 0 s." in ended.err
    assert len({asked.headers["Idempotency-Key"] for asked in gateway.asked}) == 1


def test_what_stays_away_is_given_up(gateway: Place, cme: Cme) -> None:
    gateway.answers[LIST] = lambda _: as_json(429, {"code": "too_many_requests"}, **{"Retry-After": "0"})

    assert cme("api", "GET", LIST).code == 1
    assert len(gateway.asked) == 6


def test_a_redirect_is_shown_and_not_followed(gateway: Place, hook: Place, cme: Cme) -> None:
    gateway.answers[LIST] = lambda _: Said(302, {"Location": f"{hook.url}/elsewhere"})

    assert "HTTP 302" in cme("api", "GET", LIST, "-i").out
    assert hook.asked == []


def test_nobody_else_gets_the_token(gateway: Place, hook: Place, cme: Cme) -> None:
    ended = cme("api", "GET", f"{hook.url}/x")

    assert ended.code == 2
    assert "is not below" in ended.err
    assert hook.asked == []


def test_a_wrong_secret_is_what_the_gateway_calls_it(gateway: Place, cme: Cme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_CLIENT_SECRET", "wrong")

    ended = cme("api", "GET", LIST)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "cme: 401 invalid_client: Client or secret is wrong.\n"


def test_an_api_that_is_away_is_named(gateway: Place, cme: Cme, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("CME_API", away)

        ended = cme("api", "GET", LIST)

    assert ended.code == 3
    assert f"{away} does not answer" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-f", "missing.json"], "missing.json cannot be read"),
        (["-q", "limit"], "name=value"),
        (["-H", "Accept"], "'Name: value'"),
    ],
)
def test_what_was_typed_wrong_is_said_and_ends_with_2(
    arguments: list[str], said: str, gateway: Place, cme: Cme
) -> None:
    ended = cme("api", "GET", LIST, *arguments)

    assert ended.code == 2
    assert said in ended.err
    assert gateway.asked == []
