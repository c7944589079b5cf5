"""What the edge refuses before any service sees it: paths, framing, methods, sizes, malformed bodies."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from .raw_http import raw, statuses

PATH = "/enrolment/v1/applications/app_1"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_internal_and_unknown_paths_are_not_there(gateway: Any) -> None:
    for path in ("/nothing", "/enrolmentx/v1", "/oauth/nothing"):
        answer = gateway.http.get(path, headers=gateway.bearer(gateway.machine()))
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "target",
    [
        b"/enrolment/v1/..%2fhealth",
        b"/enrolment/v1/%2e%2e/health",
        b"/enrolment/../health/ready",
        b"/enrolment/./v1",
        b"/enrolment//v1",
        b"//enrolment/v1",
        b"/enrolment/v1/a%00",
        b"/enrolment/v1/a%5cb",
        b"/enrolment/v1/a%252e",
        b"/enrolment/v1/a%zz",
        b"/oauth//token",
    ],
)
def test_ambiguous_paths_are_refused(gateway: Any, target: bytes) -> None:
    answer = raw(gateway, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [400]
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        b"Host: a\r\nTransfer-Encoding: xchunked\r\n",
        b"Host: a\r\nContent-Length: +5\r\n",
        b"Content-Length: 0\r\n",
        b"Host: a\r\nHost: b\r\nContent-Length: 0\r\n",
        b"Host: a\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\n",
    ],
    ids=["both", "two lengths", "unknown coding", "signed length", "no host", "two hosts", "folded"],
)
def test_ambiguous_framing_is_answered_once_and_refused(gateway: Any, echo: Any, head: bytes) -> None:
    before = len(echo.echo.requests)
    smuggled = b"0\r\n\r\nGET /courses/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

    answer = raw(gateway, b"POST /verify HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n" + smuggled)

    assert statuses(answer) == [400]
    assert len(echo.echo.requests) == before


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_methods_that_no_endpoint_has_are_refused(gateway: Any, method: str) -> None:
    answer = raw(gateway, f"{method} /courses HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    assert statuses(answer)[0] in (400, 405)


def test_sizes_are_limited(gateway: Any) -> None:
    bearer = gateway.bearer(gateway.machine())

    def chunks(count: int) -> Any:
        yield from (b"x" * 65_536 for _ in range(count))

    assert gateway.http.get("/courses?" + "a" * 9000).status_code == 414
    assert gateway.http.get("/courses", headers={"X-Big": "a" * 20_000}).status_code == 431
    assert gateway.http.get("/courses", headers={f"X-{n}": "a" for n in range(120)}).status_code == 431
    declared = gateway.http.post(PATH, content=b'"' + b"a" * 1_048_576 + b'"', headers=bearer)
    assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")
    json = bearer | {"Content-Type": "application/json"}
    assert gateway.http.post(PATH, content=chunks(20), headers=json).status_code == 413
    text = bearer | {"Content-Type": "text/plain"}
    assert gateway.http.post(PATH, content=chunks(20), headers=text).status_code == 413
    own = gateway.http.post("/oauth/token", content=b"a" * 1_100_000)
    assert own.status_code == 413


def test_a_length_that_lies_is_refused_before_the_body(gateway: Any) -> None:
    answer = raw(gateway, b"POST /verify HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n")

    assert statuses(answer) == [413]


def test_uploads_stream_up_to_six_mebibytes(gateway: Any) -> None:
    bearer = gateway.bearer(gateway.machine("assessment.evidence:submit")) | {"Content-Type": "application/pdf"}
    path, body = "/assessment/v1/submissions/sub_1/content", b"%PDF" * 1_310_720

    accepted = gateway.http.put(path, content=body, headers=bearer)
    refused = gateway.http.put(path, content=body + b"x" * 1_048_577, headers=bearer)

    assert accepted.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert refused.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"nul", b'{"a": 1,}', b"\xef\xbb\xbf{}", b'{"a": 1} {}', "{}".encode("utf-16")),
        *(b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": -1e999}'),
        *(b'{"a": 18446744073709551616}', b'{"a": 1' + b"0" * 5_000 + b"}"),
        *(b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}', b'{"a": 1, "\\u0061": 2}'),
        *(b'"\\ud800"', b'"\\udc00\\ud800"', b'{"a\\ud800": 1}', b"\xff", b'"\xed\xa0\x80"', b'{"a":"\\u0000"}'),
        *(b"[" * 900, b"[" * 100_000, b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33),
    ],
)
def test_malformed_json_reaches_no_service(gateway: Any, echo: Any, body: bytes) -> None:
    before = len(echo.echo.requests)

    answer = gateway.http.post(
        "/credentials/v1/verification", content=body, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert len(echo.echo.requests) == before


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"[" * 32 + b"]" * 32,
            b'{"a": -0.0}',
            b'{"a": 9223372036854775807}',
            b'"\\ud83d\\ude00"',
            b'"[[[[[[' + b"[" * 40 + b'"',
        ),
        b"[" + b"1," * 250_000 + b"1]",
    ],
)
def test_unusual_json_passes_as_it_is(gateway: Any, echo: Any, body: bytes) -> None:
    answer = gateway.http.post(
        "/credentials/v1/verification", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 200
    assert echo.echo.requests[-1]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_body_has_a_mebibyte_and_not_a_byte_more(gateway: Any) -> None:
    json = {"Content-Type": "application/json"}

    answers = [
        gateway.http.post("/verify", content=b'"' + b"a" * size + b'"', headers=json) for size in (1_048_574, 1_048_575)
    ]

    assert [answer.status_code for answer in answers] == [200, 413]
    assert answers[1].json()["code"] == "body_too_large"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/sandbox/nothing",
        "/oauth/nothing",
        "/gateway/v1/clients",
        "/enrolment/v1/calls/call_1/applications",
        "/courses?" + "a" * 9_000,
    ],
)
def test_every_refusal_names_a_trace(gateway: Any, path: str) -> None:
    answer = gateway.http.get(path)

    assert answer.status_code in (401, 404, 414)
    assert len(answer.json()["trace_id"]) == 32
    assert answer.headers["cache-control"] == "no-store"


def test_compressed_requests_are_refused(gateway: Any) -> None:
    answer = gateway.http.post("/verify", content=b"x", headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
