"""First policy: sizes and syntax. What two parsers could read differently is refused (RFC 9112 section 11)."""

from __future__ import annotations

import re

from cme_kit.problems import ServiceError
from starlette.types import Message, Receive, Scope

TARGET_LIMIT = 8 * 1024
HEADERS_LIMIT = 16 * 1024
HEADER_COUNT = 100
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Encoded slashes, dots, backslashes, percent signs and NULs; empty, `.` and `..` segments; backslashes.
_AMBIGUOUS = re.compile(rb"%(?:2f|5c|2e|00|25)|//|\\|/\.{1,2}(?:/|$)", re.IGNORECASE)
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")


class MalformedRequest(ServiceError):
    """A request that may mean two things; where the next one begins is not known either (RFC 9112 section 9.6)."""

    code, status = "malformed_request", 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Connection": "close"})


class MethodNotAllowed(ServiceError):
    """A method that no endpoint has."""

    code, status = "method_not_allowed", 405

    def __init__(self) -> None:
        allowed = ", ".join(sorted(METHODS))
        super().__init__(f"Use one of {allowed}.", headers={"Allow": allowed})


class TargetTooLong(ServiceError):
    """Path and query are too long."""

    code, status = "target_too_long", 414


class HeadersTooLarge(ServiceError):
    """Too many headers (RFC 6585 section 5)."""

    code, status = "headers_too_large", 431


class BodyTooLarge(ServiceError):
    """The body is over the limit."""

    code, status = "body_too_large", 413


class UnsupportedEncoding(ServiceError):
    """A compressed body."""

    code, status = "unsupported_encoding", 415


def check_head(scope: Scope) -> None:
    """Refuse what is too large or ambiguous, before anything else looks at it. Raises ServiceError."""
    if scope["method"] not in METHODS:
        raise MethodNotAllowed
    target: bytes = scope["raw_path"]
    if len(target) + len(scope["query_string"]) > TARGET_LIMIT:
        raise TargetTooLong(f"Path and query may have {TARGET_LIMIT} bytes.")
    if not target.startswith(b"/") or _AMBIGUOUS.search(target) or _BROKEN_ESCAPE.search(target):
        raise MalformedRequest(
            "Write the path plainly: no empty or dot segments, no encoded slashes, dots, percent signs or NUL."
        )
    _check_headers(scope["headers"])


def _check_headers(headers: list[tuple[bytes, bytes]]) -> None:
    if len(headers) > HEADER_COUNT or sum(len(name) + len(value) for name, value in headers) > HEADERS_LIMIT:
        raise HeadersTooLarge(f"Headers may be {HEADER_COUNT} and have {HEADERS_LIMIT} bytes in all.")
    hosts = framings = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name in _FRAMING:
            framings += 1
            _check_framing(name, value)
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedEncoding("Send the body without a content encoding.")
    if hosts != 1:
        raise MalformedRequest("Send one Host header.")
    if framings > 1:
        raise MalformedRequest("Say once how long the body is: Content-Length or chunked, not both.")


def _check_framing(name: bytes, value: bytes) -> None:
    if name == b"content-length" and not value.isdigit():
        raise MalformedRequest("Content-Length is no number.")
    if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
        raise MalformedRequest("The only transfer coding is chunked.")


def declared_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """How long the body is: 0 without one, None when it is chunked."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


def limited(receive: Receive, limit: int, length: int | None) -> Receive:
    """`receive`, failing with BodyTooLarge as soon as more than `limit` bytes are announced or arrive."""
    if length is not None and length > limit:
        raise BodyTooLarge(f"A body may have {limit} bytes here.")
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge(f"A body may have {limit} bytes here.")
        return message

    return counted
