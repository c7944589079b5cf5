"""Which scripts of which pages may read answers: the CORS protocol of the Fetch standard, by the origins of clients.

Nothing is ever answered with credentials: a token is sent by the script itself, and cookies of ours mean nothing here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from cme_kit.problems import Forbidden

#: What is known of an origin holds so long, seconds.
REMEMBERED_SECONDS = 5.0
MOST_ORIGINS = 1_000
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
#: Besides the headers that need no permission.
REQUEST_HEADERS = (
    b"Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match, If-Modified-Since, traceparent"
)
EXPOSED = (
    b"Age, Cache-Status, Content-Disposition, DPoP-Nonce, Deprecation, ETag, Link, Location, RateLimit, "
    b"RateLimit-Policy, Retry-After, Sunset, WWW-Authenticate"
)
#: How long a browser need not ask again, seconds.
MAX_AGE = b"600"
#: An origin is at most a scheme, a name of 253 characters and a port.
LONGEST = 270
Headers = list[tuple[bytes, bytes]]


class OriginNotAllowed(Forbidden):
    """No client registered this origin."""

    code = "origin_not_allowed"


class Origins:
    """Remembers for a moment which origins active clients registered."""

    def __init__(self, is_registered: Callable[[str], Awaitable[bool]]) -> None:
        self._is_registered = is_registered
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def has(self, origin: str) -> bool:
        """Whether any active client registered an origin."""
        now = time.monotonic()
        known = self._known.get(origin)
        if known is not None and known[0] > now:
            return known[1]
        found = len(origin) <= LONGEST and await self._is_registered(origin)
        self._known[origin] = (now + REMEMBERED_SECONDS, found)
        self._known.move_to_end(origin)
        if len(self._known) > MOST_ORIGINS:
            self._known.popitem(last=False)
        return found


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """A header, None unless it is there once."""
    values = [value for each, value in headers if each == name]
    return values[0] if len(values) == 1 else None


def preflight_answer(origin: bytes) -> Headers:
    """The headers of a preflight's answer; `*` where anybody may read."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", REQUEST_HEADERS),
        (b"access-control-max-age", MAX_AGE),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]


def allowed(origin: bytes) -> Headers:
    """The headers of an answer that pages of an origin may read; `*` for pages of anybody."""
    headers = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
    return headers if origin == b"*" else [*headers, (b"vary", b"Origin")]
