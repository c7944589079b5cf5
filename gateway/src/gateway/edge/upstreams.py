"""The one pooled client to the services."""

from __future__ import annotations

import aiohttp
from cme_kit.problems import ServiceError, Unavailable

#: Below the 5 s after which uvicorn closes an idle connection, so that no request meets a closing one.
KEEPALIVE_SECONDS = 4
CONNECT_SECONDS = 2
POOL = 256


class UpstreamDown(Unavailable):
    """The service does not take connections."""

    code = "upstream_down"


class UpstreamFailed(ServiceError):
    """The service broke off; whether it did what was asked is not known."""

    code, status = "upstream_failed", 502

    def __init__(self, service: str) -> None:
        detail = f"{service} broke off. Repeat the request; with the same Idempotency-Key it is done once."
        super().__init__(detail, headers={"Retry-After": "1"})


class DeadlineExceeded(ServiceError):
    """The service took too long."""

    code, status = "deadline_exceeded", 504


class RequestTimeout(ServiceError):
    """The caller took too long to send the body."""

    code, status = "request_timeout", 408


def open_client() -> aiohttp.ClientSession:
    """A client that passes on what it is given: no cookies, no decompression, no headers of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=POOL, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        auto_decompress=False,
        read_bufsize=2**18,
    )
