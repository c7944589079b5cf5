"""The services behind the edge: one pooled client, who may be asked now, and what is asked twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog
from cme_kit.problems import ServiceError
from yarl import URL

from gateway.edge.bodies import Body
from gateway.edge.breaker import Breaker, UpstreamDown

#: Below the 5 s after which uvicorn closes an idle connection, so that no request meets a closing one.
KEEPALIVE_SECONDS = 4
CONNECT_SECONDS = 2
#: Connections to one service: what waits for a slow one takes none of another.
POOL = 256
#: Doing these twice is doing them once (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
#: One request in ten may be repeated, so that a service in trouble is not asked twice as much.
BUDGET_PART = 0.1
BUDGET_MOST = 20.0
#: Before the second try: time for a restarted service to listen, or for another replica to be chosen.
PAUSE_SECONDS = 0.05
log = structlog.get_logger(__name__)


class UpstreamFailed(ServiceError):
    """The service broke off; whether it did what was asked is not known."""

    code, status = "upstream_failed", 502

    def __init__(self, service: str) -> None:
        detail = f"{service} broke off. Repeat the request; with the same Idempotency-Key it is done once."
        super().__init__(detail, headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service and its circuit."""

    service: str
    url: str
    breaker: Breaker

    @classmethod
    def all_of(cls, urls: dict[str, str]) -> dict[str, Upstream]:
        """By the name of the service."""
        return {service: cls(service, url, Breaker(service)) for service, url in urls.items()}


class RetryBudget:
    """How many requests may be sent a second time: a part of those that came (as in Finagle's retry budget)."""

    def __init__(self) -> None:
        self._left = BUDGET_MOST

    def earn(self) -> None:
        """One request came."""
        self._left = min(BUDGET_MOST, self._left + BUDGET_PART)

    def spend(self) -> bool:
        """Whether one more may be repeated."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Upstreams:
    """Sends requests to services."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self._budget = RetryBudget()

    async def ask(
        self, upstream: Upstream, method: str, target: str, headers: list[tuple[str, str]], body: Body
    ) -> aiohttp.ClientResponse:
        """The service's answer, of which the body is still to be read.

        A request that may be done twice is sent once more when the service could not be reached, or broke off before
        it answered. Raises UpstreamDown, UpstreamFailed, or why the caller's body could not be read.
        """
        url = URL(upstream.url + target, encoded=True)
        self._budget.earn()
        may_repeat = method in IDEMPOTENT and body.can_be_repeated
        while True:
            upstream.breaker.enter()
            try:
                answer = await self._client.request(
                    method, url, headers=headers, data=body.content, allow_redirects=False
                )
            except aiohttp.ClientError as error:
                failure = _failure(upstream, body, error)
                if not may_repeat or not self._budget.spend():
                    raise failure from error
            except BaseException:
                # Cancelled at the deadline: the service is late when it has had all of the request.
                (upstream.breaker.failed if body.read else upstream.breaker.left)()
                raise
            else:
                upstream.breaker.succeeded()
                return answer
            may_repeat = False
            await asyncio.sleep(PAUSE_SECONDS)


def _failure(upstream: Upstream, body: Body, error: aiohttp.ClientError) -> Exception:
    if body.failure is not None:
        upstream.breaker.left()
        return body.failure
    upstream.breaker.failed()
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        log.warning("upstream down", service=upstream.service, error=type(error).__name__)
        return UpstreamDown(f"{upstream.service} is starting or down. Try again.", retry_after=1)
    log.warning("upstream failed", service=upstream.service, error=type(error).__name__)
    return UpstreamFailed(upstream.service)


def open_client() -> aiohttp.ClientSession:
    """A client that passes on what it is given: no cookies, no decompression, no headers and no retries of its own."""
    client = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=POOL, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        auto_decompress=False,
        read_bufsize=2**18,
    )
    # It would repeat idempotent requests on a connection that was just closed, beyond any budget.
    client._retry_connection = False  # noqa: SLF001
    return client
