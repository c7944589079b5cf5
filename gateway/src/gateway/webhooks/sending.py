"""One request to a receiver: bounded in time and size, to a checked address, without redirects."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import aiohttp
from cme_contracts.envelope import CONTENT_TYPE
from cme_kit.clock import Clock

from gateway.webhooks.addresses import AddressRefused, Guard

CONNECT_SECONDS = 10.0
#: How much of an answer is read and kept.
RESPONSE_BYTES = 4096
USER_AGENT = "CME-Webhooks/1.0"

#: The first that fits counts.
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError, TimeoutError), "timed out"),
    ((aiohttp.ClientConnectorDNSError,), "host name not found"),
    ((aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError), "TLS certificate not accepted"),
    ((aiohttp.ClientSSLError, ssl.SSLError), "TLS failed"),
    ((aiohttp.ClientConnectorError,), "not reachable"),
    ((aiohttp.InvalidURL,), "no valid URL"),
    ((aiohttp.ClientResponseError, aiohttp.ClientPayloadError), "not an HTTP answer"),
)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int | None
    error: str | None
    body: str
    retry_after: timedelta | None
    milliseconds: int


class Sender:
    """Sends to receivers; a connection is used once, so that every request's address was checked for it."""

    def __init__(self, guard: Guard, timeout_seconds: float, clock: Clock) -> None:
        """`timeout_seconds` bounds a whole request (15 to 30 s in Standard Webhooks, "Request timeouts")."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(CONNECT_SECONDS, timeout_seconds))
        self._guard = guard
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the client."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                # The authorities that the system trusts, or those of SSL_CERT_FILE.
                ssl=ssl.create_default_context(),
                resolver=self._guard,
                use_dns_cache=False,
                socket_factory=self._guard.open_socket,
                force_close=True,
                limit=0,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            trust_env=False,
            # What an answer unpacks to would not be bounded.
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Content-Type": CONTENT_TYPE, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client, and what looks up its receivers' names."""
        if self._session is not None:
            await self._session.close()
        await self._guard.close()

    async def send(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send a body once and say what came of it; never raises for what a receiver does."""
        assert self._session is not None
        began = time.perf_counter()
        try:
            async with self._session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
                text = await _beginning(response)
                waits = retry_after(response.headers.get("Retry-After"), self._clock.now())
                return Answer(response.status, None, text, waits, _milliseconds(began))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(None, _reason(error), "", None, _milliseconds(began))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """How long a receiver asks us to wait (RFC 9110 section 10.2.3): seconds or a date; None when it says neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:10]), 10**9))
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first bytes of an answer as text; what it breaks off with changes nothing about its status."""
    read = bytearray()
    try:
        while len(read) < RESPONSE_BYTES:
            chunk = await response.content.read(RESPONSE_BYTES - len(read))
            if not chunk:
                break
            read += chunk
    except (aiohttp.ClientError, TimeoutError):
        pass
    text = bytes(read).decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _milliseconds(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _reason(error: BaseException) -> str:
    """Why there is no answer, for the receiver's owner: nothing of our network in it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return "address refused: not on the public Internet"
        cause = cause.__cause__ or cause.__context__
    return next((reason for kinds, reason in _REASONS if isinstance(error, kinds)), "connection broken")
