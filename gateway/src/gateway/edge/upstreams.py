"""The services behind the edge: who may be asked now, and what is asked twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
import structlog
from cme_kit.problems import ServiceError

from gateway.edge.bodies import Body
from gateway.edge.breaker import Breaker, UpstreamDown
from gateway.edge.pools import Pool
from gateway.edge.upstream_http import Answer, BrokenAnswer, Headers, PoolFull, Unreachable, UpstreamError

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
    """A service, its circuit and the connections to it."""

    service: str
    pool: Pool
    breaker: Breaker

    @classmethod
    def all_of(cls, urls: dict[str, str]) -> dict[str, Upstream]:
        """By the name of the service."""
        return {service: cls(service, Pool(url), Breaker(service)) for service, url in urls.items()}


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

    def __init__(self) -> None:
        self._budget = RetryBudget()

    async def ask(self, upstream: Upstream, method: str, target: bytes, headers: Headers, body: Body) -> Answer:
        """The service's answer, of which the body is still to be read.

        A request that may be done twice is sent once more when the service could not be reached, or broke off before
        it answered. Raises UpstreamDown, UpstreamFailed, or why the caller's body could not be read.
        """
        self._budget.earn()
        may_repeat = method in IDEMPOTENT and body.can_be_repeated
        while True:
            upstream.breaker.enter()
            try:
                answer = await upstream.pool.ask(method.encode(), target, headers, body.content, body.length)
            except UpstreamError as error:
                (upstream.breaker.left if isinstance(error, PoolFull) else upstream.breaker.failed)()
                log.warning("upstream failed", service=upstream.service, error=type(error).__name__)
                if not may_repeat or isinstance(error, BrokenAnswer) or not self._budget.spend():
                    raise _refusal(upstream, error) from error
            except BaseException:
                # Cancelled at the deadline: the service is late when it has had all of the request.
                (upstream.breaker.failed if body.read else upstream.breaker.left)()
                raise
            else:
                upstream.breaker.succeeded()
                return answer
            may_repeat = False
            await asyncio.sleep(PAUSE_SECONDS)


def _refusal(upstream: Upstream, error: UpstreamError) -> ServiceError:
    if isinstance(error, Unreachable):
        return UpstreamDown(f"{upstream.service} is starting or down. Try again.", retry_after=1)
    return UpstreamFailed(upstream.service)


def open_client() -> aiohttp.ClientSession:
    """A client for what is not a caller's request: health, as it is asked of the services."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
