"""What RFC 9111 says about one answer: may it be kept by a shared cache, how long is it fresh, who is it for."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

Headers = list[tuple[bytes, bytes]]
_DIRECTIVE = re.compile(rb'([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;]*)))?')
#: An answer is fresh for no longer than this, whatever it says.
LONGEST_SECONDS = 7 * 86_400
#: Those of a stored answer that a 304 repeats (RFC 9110 section 15.4.5), and what browsers need with it.
NOT_MODIFIED = frozenset(
    {
        *(b"cache-control", b"content-location", b"etag", b"expires", b"vary", b"last-modified", b"content-language"),
        *(b"content-security-policy", b"link"),
    }
)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How an answer may be kept."""

    #: Seconds for which it is given without asking; 0 when it is asked about each time.
    fresh_seconds: float
    #: How old it was already when it came.
    age: float
    etag: bytes | None
    last_modified: bytes | None
    #: Names of the request headers that chose it.
    vary: tuple[bytes, ...]


def directives(value: bytes) -> dict[bytes, bytes]:
    """The directives of a `Cache-Control`, by their names in small letters (RFC 9111 section 5.2)."""
    return {match[1]: match[2] or match[3] or b"" for match in _DIRECTIVE.finditer(value.lower())}


def joined(headers: Headers, name: bytes) -> bytes:
    """The values of a header as one (RFC 9110 section 5.3)."""
    return b", ".join(value for each, value in headers if each == name)


def keeping_of(status: int, headers: Headers) -> Keeping | None:
    """How a shared cache may keep an answer to a request without credentials, or None when it may not (section 3)."""
    said = directives(joined(headers, b"cache-control"))
    if status != HTTPStatus.OK or not said or said.keys() & {b"no-store", b"private"}:
        return None
    names = {name for name, _ in headers}
    vary = tuple(sorted(name.strip().lower() for name in joined(headers, b"vary").split(b",") if name.strip()))
    if b"set-cookie" in names or b"*" in vary:
        return None
    fresh = 0.0 if b"no-cache" in said else _lifetime(said, headers)
    etag, modified = joined(headers, b"etag") or None, joined(headers, b"last-modified") or None
    if fresh is None or (not fresh and etag is None and modified is None):
        return None
    return Keeping(min(fresh, LONGEST_SECONDS), _seconds(joined(headers, b"age")) or 0.0, etag, modified, vary)


def _lifetime(said: dict[bytes, bytes], headers: Headers) -> float | None:
    """Explicit freshness only (section 4.2.1): nothing is guessed from a date of change."""
    for name in (b"s-maxage", b"max-age"):
        if name in said:
            # A value that cannot be read is stale (section 4.2.1).
            return _seconds(said[name]) or 0.0
    if expires := joined(headers, b"expires"):
        until = _moment(expires)
        return max(0.0, until - (_moment(joined(headers, b"date")) or time.time())) if until else 0.0
    return 0.0 if b"public" in said else None


def is_unchanged(asked: dict[bytes, bytes], etag: bytes | None, last_modified: bytes | None) -> bool:
    """Whether the caller's conditions hold for what is stored (RFC 9110 section 13.2.2)."""
    if (offered := asked.get(b"if-none-match")) is not None:
        tags = {tag.strip().removeprefix(b"W/") for tag in offered.split(b",")}
        return offered.strip() == b"*" or (etag is not None and etag.removeprefix(b"W/") in tags)
    if (since := asked.get(b"if-modified-since")) is not None and last_modified is not None:
        known, changed = _moment(since), _moment(last_modified)
        return known is not None and changed is not None and changed <= known
    return False


def _seconds(digits: bytes) -> float | None:
    return float(digits[:12]) if digits.isdigit() else None


def _moment(date: bytes) -> float | None:
    try:
        return parsedate_to_datetime(date.decode("latin-1")).timestamp()
    except (TypeError, ValueError):
        return None
