"""The proxy: what reaches a service, what does not, and what comes back."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cme_kit.testing import free_port

from .raw_http import raw, statuses

PATH = "/enrolment/v1/applications/app_1"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_request_passes_with_method_query_body_and_headers(gateway: Any) -> None:
    bearer = gateway.bearer(gateway.machine())

    answer = gateway.http.post(
        f"{PATH}/scores?a=1&a=2&b=%20",
        json={"motivation": 3},
        headers=bearer | {"Idempotency-Key": "k", "If-Match": '"1"'},
    )

    echoed = answer.json()
    assert answer.status_code == 200
    assert (echoed["method"], echoed["target"]) == ("POST", f"{PATH}/scores?a=1&a=2&b=%20")
    assert echoed["sha256"] == hashlib.sha256(b'{"motivation":3}').hexdigest()
    assert echoed["headers"]["authorization"] == bearer["Authorization"]
    assert (echoed["headers"]["idempotency-key"], echoed["headers"]["if-match"]) == ("k", '"1"')


def test_nobody_tells_a_service_who_they_are(gateway: Any) -> None:
    forged = {
        "X-User-Id": "per_1",
        "X-Client-Id": "bootstrap",
        "X-Org": "org_1",
        "X-Organisation-Id": "org_1",
        "X-Forwarded-User": "root",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "X-HTTP-Method-Override": "DELETE",
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "hop",
        "TE": "trailers",
        "Cookie": "cme_session=stolen; __Host-cme_session=s; cme_upstream=me; theirs=1; cme_language=sv; cme_form=x",
    }

    anonymous = gateway.http.get(PATH, headers=forged)
    known = gateway.http.get(PATH, headers=forged | gateway.bearer(gateway.machine())).json()["headers"]

    assert anonymous.status_code == 401
    assert not {name.lower() for name in forged} - {
        "x-forwarded-for",
        "x-forwarded-host",
        "connection",
        "cookie",
    } & set(known)
    assert known["x-forwarded-for"] == "127.0.0.1"
    assert known["x-forwarded-host"] == urlsplit(gateway.url).netloc
    assert known["x-forwarded-proto"] == "http"
    assert known["cookie"] == "theirs=1; cme_language=sv"


def test_whatever_connection_names_ends_at_the_edge(gateway: Any, echo: Any) -> None:
    request = b"GET /courses/x HTTP/1.1\r\nHost: a\r\nConnection: X-One\r\nConnection: close, X-Two\r\n"

    raw(gateway, request + b"X-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n\r\n")

    assert {"x-one", "x-two", "x-three"} & set(echo.echo.requests[-1]["headers"]) == {"x-three"}


def test_an_answer_keeps_its_headers_and_loses_those_of_the_hop(gateway: Any) -> None:
    answer = gateway.http.get(PATH, headers=gateway.bearer(gateway.machine()))

    assert answer.headers["x-own"] == "kept"
    assert len(answer.headers.get_list("date")) == 1
    assert not {"server", "keep-alive"} & set(answer.headers)


def test_redirects_are_passed_on_and_not_followed(gateway: Any) -> None:
    answer = gateway.http.get("/courses/redirect")

    assert (answer.status_code, answer.headers["location"]) == (303, "/elsewhere")


def test_a_large_answer_streams_through(gateway: Any) -> None:
    answer = gateway.http.get("/courses/stream")

    assert len(answer.content) == 64 * 65_536


def test_an_answer_that_breaks_off_is_not_passed_as_complete(gateway: Any) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.http.get("/courses/break")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/courses"),
        ("GET", "/courses/cluster-manager"),
        ("GET", "/curriculum/v1/catalogue/courses"),
        ("GET", "/curriculum/v1/profiles/prf_1"),
        ("GET", "/enrolment/v1/calls"),
        ("GET", "/enrolment/v1/calls/call_1"),
        ("GET", "/badges/crd_1"),
        ("GET", "/.well-known/did.json"),
        ("POST", "/verify"),
        ("POST", "/credentials/v1/verification"),
        ("GET", "/credentials/v1/status/1"),
        ("POST", "/outreach/unsubscribe/abc"),
        ("POST", "/outreach/interest/abc"),
    ],
)
def test_public_paths_need_no_token(gateway: Any, method: str, path: str) -> None:
    assert gateway.http.request(method, path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/enrolment/v1/calls/call_1/applications"),
        ("POST", "/enrolment/v1/calls"),
        ("POST", "/curriculum/v1/profiles"),
        ("GET", "/credentials/v1/awards"),
        ("GET", "/outreach/v1/clusters"),
        ("DELETE", "/verify"),
    ],
)
def test_other_paths_need_one(gateway: Any, method: str, path: str) -> None:
    answer = gateway.http.request(method, path)

    assert answer.status_code == 401
    metadata = f'resource_metadata="{gateway.url}/.well-known/oauth-protected-resource"'
    assert answer.headers["www-authenticate"] == f'Bearer {metadata}, DPoP algs="ES256 PS256 EdDSA Ed25519", {metadata}'
    assert answer.headers["content-type"] == "application/problem+json"


def test_wrong_tokens_are_refused(gateway: Any, tokens: Any) -> None:
    foreign = tokens.issue("client", "enrolment.applications:read", iss=gateway.url, aud=gateway.url)
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + foreign.split(".")[1] + "."

    garbage = [
        gateway.http.get(PATH, headers={"Authorization": value})
        for value in (
            "Bearer garbage",
            f"Bearer {foreign}",
            f"Bearer {unsigned}",
            "Basic abc",
            "Bearer",
            f"DPoP {foreign}",
        )
    ]
    in_the_query = gateway.http.get(f"{PATH}?access_token={foreign}")

    assert [answer.status_code for answer in garbage] == [401] * 6
    assert all("invalid_token" in answer.headers["www-authenticate"] for answer in garbage)
    assert in_the_query.status_code == 401


def test_a_token_without_a_scope_of_the_service_is_refused(gateway: Any) -> None:
    bearer = gateway.bearer(gateway.machine("credentials.awards:read"))

    answer = gateway.http.get(PATH, headers=bearer)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    assert gateway.http.get("/credentials/v1/awards", headers=bearer).status_code == 200


def test_one_caller_is_limited_and_others_are_not(another_gateway: Any) -> None:
    gateway = another_gateway(rate_per_second=1, rate_burst=3)
    first, second = gateway.bearer(gateway.machine()), gateway.bearer(gateway.machine())

    answers = [gateway.http.get(PATH, headers=first) for _ in range(6)]

    refused = answers[-1]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) >= 1
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=3, "daily";q=2000000;w=86400'
    assert answers[0].headers["ratelimit"].startswith('"default";r=2;t=')
    assert gateway.http.get(PATH, headers=second).status_code == 200


def test_a_slow_service_is_not_waited_for_longer_than_the_deadline(another_gateway: Any) -> None:
    gateway = another_gateway(deadline_seconds=0.5)
    started = time.monotonic()

    answer = gateway.http.get("/courses/slow")

    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert time.monotonic() - started < 3


def test_a_body_that_never_comes_ends_at_the_deadline(another_gateway: Any) -> None:
    gateway = another_gateway(deadline_seconds=0.5)
    head = b"POST /verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"

    assert statuses(raw(gateway, head)) == [408]


def test_a_service_that_is_down_is_a_503_and_one_that_breaks_off_a_502(another_gateway: Any) -> None:
    down = another_gateway(f"http://127.0.0.1:{free_port()}").http.get("/courses")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        gateway = another_gateway(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def hang_up() -> None:
            # A GET on a fresh connection is not repeated; one hang-up is one answer.
            for _ in range(2):
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    return
                connection.recv(1000)
                connection.close()

        thread = threading.Thread(target=hang_up)
        listener.settimeout(2)
        thread.start()
        broken = gateway.http.post("/verify")
        thread.join()

    assert (down.status_code, down.json()["code"], down.headers["retry-after"]) == (503, "upstream_down", "1")
    assert (broken.status_code, broken.json()["code"], broken.headers["retry-after"]) == (502, "upstream_failed", "1")


def test_a_known_caller_continues_a_trace_and_nobody_else(another_gateway: Any) -> None:
    traced = another_gateway()
    bearer = traced.bearer(traced.machine())

    known = traced.http.get(PATH, headers=bearer | {"traceparent": TRACEPARENT}).json()["headers"]
    anonymous = traced.http.get("/courses", headers={"traceparent": TRACEPARENT}).json()["headers"]
    garbage = traced.http.get(PATH, headers=bearer | {"traceparent": "00-zz"}).json()["headers"]

    assert known["traceparent"].split("-")[1] == TRACE
    assert known["traceparent"] != TRACEPARENT
    assert anonymous["traceparent"].split("-")[1] != TRACE
    assert len(garbage["traceparent"].split("-")[1]) == 32


def test_a_problem_names_its_trace(another_gateway: Any) -> None:
    gateway = another_gateway(f"http://127.0.0.1:{free_port()}")
    bearer = gateway.bearer(gateway.machine())

    answer = gateway.http.get(PATH, headers=bearer | {"traceparent": TRACEPARENT})

    assert answer.json()["trace_id"] == TRACE


def test_health_tells_of_every_service(gateway: Any, another_gateway: Any) -> None:
    well = gateway.http.get("/health")
    ill = another_gateway(f"http://127.0.0.1:{free_port()}").http.get("/health")

    assert (well.status_code, well.json()["checks"]["credentials"]) == (200, "ok")
    assert (ill.status_code, ill.json()["status"]) == (503, "failing")
    assert ill.json()["checks"]["gateway"] == "ok"


def test_the_root_leads_to_the_courses_and_assets_are_there(gateway: Any) -> None:
    root, sheet = gateway.http.get("/"), gateway.http.get("/assets/cme.css")

    assert (root.status_code, root.headers["location"]) == (303, "/courses")
    assert sheet.headers["content-type"].startswith("text/css")
