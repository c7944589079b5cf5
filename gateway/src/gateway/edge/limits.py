"""The policy of sizes and syntax: what two parsers could read differently is refused (RFC 9112 section 11)."""

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
#: The headers that a policy looks at, read once for all of them.
NOTED = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-encoding", b"content-type", b"authorization"),
        *(b"dpop", b"traceparent", b"origin", b"access-control-request-method"),
    }
)
Noted = dict[bytes, list[bytes]]
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


def check_head(scope: Scope) -> Noted:
    """Refuse what is too large or ambiguous, before anything else looks at it; the headers that policies look at.

    Raises ServiceError.
    """
    if scope["method"] not in METHODS:
        raise MethodNotAllowed
    target: bytes = scope["raw_path"]
    if len(target) + len(scope["query_string"]) > TARGET_LIMIT:
        raise TargetTooLong(f"Path and query may have {TARGET_LIMIT} bytes.")
    if not target.startswith(b"/") or _AMBIGUOUS.search(target) or _BROKEN_ESCAPE.search(target):
        raise MalformedRequest(
            "Write the path plainly: no empty or dot segments, no encoded slashes, dots, percent signs or NUL."
        )
    return _check_headers(scope["headers"])


def _check_headers(headers: list[tuple[bytes, bytes]]) -> Noted:
    noted: Noted = {}
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name in NOTED:
            if name in noted:
                noted[name].append(value)
            else:
                noted[name] = [value]
    if len(headers) > HEADER_COUNT or size > HEADERS_LIMIT:
        raise HeadersTooLarge(f"Headers may be {HEADER_COUNT} and have {HEADERS_LIMIT} bytes in all.")
    _check_framing(noted)
    return noted


def _check_framing(noted: Noted) -> None:
    if len(noted.get(b"host", ())) != 1:
        raise MalformedRequest("Send one Host header.")
    for coding in noted.get(b"content-encoding", ()):
        if coding.strip().lower() != b"identity":
            raise UnsupportedEncoding("Send the body without a content encoding.")
    lengths, codings = noted.get(b"content-length", ()), noted.get(b"transfer-encoding", ())
    if len(lengths) + len(codings) > 1:
        raise MalformedRequest("Say once how long the body is: Content-Length or chunked, not both.")
    if lengths and not lengths[0].isdigit():
        raise MalformedRequest("Content-Length is no number.")
    if codings and codings[0].strip().lower() != b"chunked":
        raise MalformedRequest("The only transfer coding is chunked.")


def declared_length(noted: Noted) -> int | None:
    """How long the body is: 0 without one, None when it is chunked."""
    if b"transfer-encoding" in noted:
        return None
    lengths = noted.get(b"content-length")
    return int(lengths[0]) if lengths else 0


def only(noted: Noted, name: bytes) -> bytes | None:
    """The value of a header that is there once, None otherwise."""
    values = noted.get(name)
    return values[0] if values is not None and len(values) == 1 else None


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
