"""HTTP/1.1 as bytes: what is refused before any parser of ours sees it, what is late, and who has to wait for whom."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from gateway.edge.wire import StrictHttp

from .raw_http import raw, statuses

CLOSE = b"Host: a\r\nConnection: close\r\n\r\n"


class Impatient(StrictHttp):
    """Waits shorter than tests have patience."""

    HEAD_SECONDS = 0.3


class Small(StrictHttp):
    """Takes few connections."""

    MOST_CONNECTIONS = 3


def connect(gateway: Any) -> socket.socket:
    address = urlsplit(gateway.url)
    return socket.create_connection((address.hostname, address.port), timeout=5)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def problem_in(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    problem: dict[str, Any] = json.loads(body)
    assert len(problem["trace_id"]) == 32
    return problem


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET http://a/courses HTTP/1.1\r\n" + CLOSE, 400, "malformed_request"),
        (b"OPTIONS * HTTP/1.1\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET courses HTTP/1.1\r\n" + CLOSE, 400, "malformed_request"),
        (b"TRACE /courses HTTP/1.1\r\n" + CLOSE, 405, "method_not_allowed"),
        (b"CONNECT a:443 HTTP/1.1\r\n" + CLOSE, 405, "method_not_allowed"),
        (b"PROPFIND /courses HTTP/1.1\r\n" + CLOSE, 405, "method_not_allowed"),
        (b"INVENTED /courses HTTP/1.1\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\nX-Folded: a\r\n b\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\nX-Space : a\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\nX-Nul: a\x00b\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\nX-Cr: a\rb\r\n" + CLOSE, 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (b"GET /courses HTTP/1.1\r\nHost: b\r\n" + CLOSE, 400, "malformed_request"),
        (
            b"POST /verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n" + CLOSE,
            400,
            "malformed_request",
        ),
        (b"POST /verify HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n" + CLOSE, 400, "malformed_request"),
        (b"POST /verify HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" + CLOSE, 400, "malformed_request"),
        (b"POST /verify HTTP/1.1\r\nContent-Length: -1\r\n" + CLOSE, 400, "malformed_request"),
        (
            b"POST /verify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n",
            400,
            "malformed_request",
        ),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed_request"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + CLOSE, 414, "target_too_long"),
        (b"GET /courses HTTP/1.1\r\nX-Big: " + b"a" * 40_000 + b"\r\n" + CLOSE, 431, "headers_too_large"),
        (b"GET /courses HTTP/1.1\r\n" + b"X-Many: a\r\n" * 200 + CLOSE, 431, "headers_too_large"),
    ],
)
def test_what_may_mean_two_things_is_one_problem_and_the_end_of_the_connection(
    gateway: Any, echo: Any, data: bytes, status: int, code: str
) -> None:
    before = len(echo.echo.requests)
    with connect(gateway) as connection:
        connection.sendall(data)
        answer = until_closed(connection)

    assert statuses(answer) == [status]
    assert problem_in(answer)["code"] == code
    assert len(echo.echo.requests) == before


@pytest.mark.parametrize("offered", [b"h2c", b"websocket"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_offer_of_another_protocol_is_not_taken_and_answered_all_the_same(
    gateway: Any, echo: Any, offered: bytes, body: bytes
) -> None:
    length = b"Content-Length: 2\r\n" if body else b""
    head = b"POST /verify HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offered + b"\r\n"

    with connect(gateway) as connection:
        connection.sendall(head + b"HTTP2-Settings: AAMAAABk\r\n" + length + b"\r\n" + body)
        first = connection.recv(65_536)
        connection.sendall(b"GET /courses HTTP/1.1\r\n" + CLOSE)
        second = until_closed(connection)

    offering = echo.echo.requests[-2]
    assert (statuses(first), statuses(second)) == ([200], [200])
    assert not {"upgrade", "http2-settings"} & set(offering["headers"])
    assert offering["size"] == len(body)


def test_an_offer_that_comes_in_pieces_loses_nothing_of_the_body(gateway: Any, echo: Any) -> None:
    head = (
        b"POST /verify HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\nContent-Length: 6\r\n\r\n"
    )

    with connect(gateway) as connection:
        for part in (head[:40], head[40:-3], head[-3:] + b'"a', b'bc"', b" "):
            connection.sendall(part)
            time.sleep(0.02)
        answer = until_closed(connection)

    assert statuses(answer) == [200]
    assert echo.echo.requests[-1]["size"] == 6


def test_pipelined_requests_are_answered_in_their_order(gateway: Any) -> None:
    answer = raw(
        gateway,
        b"GET /courses/first HTTP/1.1\r\nHost: a\r\n\r\nGET /courses/second HTTP/1.1\r\n" + CLOSE,
    )

    assert statuses(answer) == [200, 200]
    assert answer.index(b"/courses/first") < answer.index(b"/courses/second")


def test_trailers_reach_no_service_as_headers(gateway: Any, echo: Any) -> None:
    chunked = b"POST /verify HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = raw(gateway, chunked + b"2\r\n{}\r\n0\r\nX-User-Id: root\r\n\r\n")

    assert statuses(answer) == [200]
    assert "x-user-id" not in echo.echo.requests[-1]["headers"]


def test_a_head_that_comes_byte_by_byte_is_told_that_it_is_late(another_gateway: Any) -> None:
    gateway = another_gateway(protocol=Impatient)
    with connect(gateway) as connection:
        for byte in b"GET /courses HTTP/1.1\r\nHost: a\r\nX-Slow: ":
            try:
                connection.sendall(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.03)
        answer = connection.recv(65_536)

    assert statuses(answer) == [408]
    assert problem_in(answer)["code"] == "request_timeout"


def test_a_second_head_on_a_connection_is_waited_for_no_longer(another_gateway: Any) -> None:
    gateway = another_gateway(protocol=Impatient)
    with connect(gateway) as connection:
        connection.sendall(b"GET /courses HTTP/1.1\r\nHost: a\r\n\r\n")
        first = connection.recv(65_536)
        connection.sendall(b"GET /courses HTTP/1.1\r\nX-")
        second = until_closed(connection)

    assert (statuses(first), statuses(second)) == ([200], [408])


def test_a_connection_without_a_request_is_closed(another_gateway: Any) -> None:
    gateway = another_gateway(protocol=Impatient)
    with connect(gateway) as silent, connect(gateway) as empty_lines:
        empty_lines.sendall(b"\r\n")

        assert until_closed(silent) == b""
        assert until_closed(empty_lines) == b""


def test_a_slow_body_of_a_form_of_ours_is_late_as_well(another_gateway: Any) -> None:
    gateway = another_gateway(deadline_seconds=0.5)
    for path in (b"/login", b"/oauth/token", b"/gateway/v1/clients"):
        head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n"
        with connect(gateway) as connection:
            connection.sendall(head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\na=")
            answer = connection.recv(65_536)

        assert statuses(answer) == [408], path


def test_idle_connections_keep_nobody_out(gateway: Any) -> None:
    idle = [connect(gateway) for _ in range(500)]
    try:
        answers = [httpx.get(f"{gateway.url}{path}") for path in ("/health", "/courses")]
    finally:
        for connection in idle:
            connection.close()

    assert [answer.status_code for answer in answers] == [200, 200]


def test_more_connections_than_it_takes_are_told_so(another_gateway: Any) -> None:
    gateway = another_gateway(protocol=Small)
    with ExitStack() as open_ones:
        first, *_, last = [open_ones.enter_context(connect(gateway)) for _ in range(2 * Small.MOST_CONNECTIONS)]
        answer = until_closed(last)
        first.sendall(b"GET /courses HTTP/1.1\r\nHost: a\r\n\r\n")
        served = first.recv(65_536)

    assert statuses(answer) == [503]
    assert problem_in(answer)["code"] == "too_many_connections"
    assert b"retry-after: 5" in answer.lower()
    assert statuses(served) == [200]


def test_a_body_that_goes_on_after_its_refusal_does_not_hide_it(gateway: Any) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"POST /verify HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n")
        connection.sendall(b"x" * 4_000_000)
        connection.sendall(b"GET /courses HTTP/1.1\r\n" + CLOSE)
        answer = until_closed(connection)

    assert statuses(answer) == [413, 200]
