"""Requests to the gateway that survive the restart of anything behind it, and never act twice."""

import asyncio
import http.cookiejar
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from cme_local.errors import StackError

CONCURRENT_REQUESTS = 8
PATIENCE_S = 90.0
#: What a restarting process, or the gateway before it, answers; 429 asks for patience as well.
TRANSIENT = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_KEY_SIGNS = re.compile(r"[^\x21-\x7e]")

Result = TypeVar("Result")
Item = TypeVar("Item")
_trace: ContextVar[str | None] = ContextVar("trace", default=None)


class PilotFailed(StackError):
    """The pilot year could not be played to its end, or its figures are not those of the facts."""


class Refused(PilotFailed):
    """The platform refused a request for good."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        problem = _problem(answer)
        self.code: str = problem.get("code", "")
        self.trace_id: str = problem.get("trace_id", "")
        request = answer.request
        explained = problem.get("detail") or answer.text[:300]
        errors = "; ".join(f"{e['field']}: {e['detail']}" for e in problem.get("errors", []))
        told = " ".join(
            part for part in (explained, errors, f"(trace {self.trace_id})" if self.trace_id else "") if part
        )
        super().__init__(f"{request.method} {request.url.path} answered {self.status} {self.code}: {told}")


def _problem(answer: httpx.Response) -> dict[str, Any]:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return dict(answer.json())
    return {}


@contextmanager
def traced(trace_id: str | None) -> Iterator[None]:
    """Send every request of this block under one trace (W3C Trace Context); None leaves traces to the gateway."""
    token = _trace.set(trace_id)
    try:
        yield
    finally:
        _trace.reset(token)


def _traceparent() -> dict[str, str]:
    trace_id = _trace.get()
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"} if trace_id else {}


@dataclass
class Effort:
    """How often something had to be tried again."""

    requests: int = 0
    repeated: int = 0


class Client:
    """A pool of connections to one platform, with patience."""

    def __init__(self, pool: httpx.AsyncClient) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self.effort = Effort()

    async def send(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        accept: Iterable[int] = (),
        **content: Any,
    ) -> httpx.Response:
        """Send a request; again while nothing answers or the answer is transient, for at most 90 s.

        Trying again is safe: `key` is the Idempotency-Key of a POST, and everything else is idempotent by itself.
        `accept` names statuses of 300 and more that are an answer here, not a refusal.

        Raises:
            Refused: the platform said no.
            PilotFailed: nothing answered in time.
        """
        wanted = _traceparent() | (headers or {})
        if token is not None:
            wanted["Authorization"] = f"Bearer {token}"
        if key is not None:
            wanted["Idempotency-Key"] = _KEY_SIGNS.sub("-", f"pilot:{key}")
        give_up = time.monotonic() + PATIENCE_S
        pause = _FIRST_PAUSE_S
        while True:
            async with self._turns:
                self.effort.requests += 1
                try:
                    answer = await self._pool.request(method, url, headers=wanted, **content)
                    failure = f"answered {answer.status_code}"
                except httpx.TransportError as error:
                    answer, failure = None, f"failed: {type(error).__name__}"
            if answer is not None and answer.status_code not in TRANSIENT:
                if answer.status_code >= httpx.codes.MULTIPLE_CHOICES and answer.status_code not in accept:
                    raise Refused(answer)
                return answer
            if time.monotonic() + pause > give_up:
                raise PilotFailed(f"{method} {url} {failure} for {PATIENCE_S:.0f} s")
            self.effort.repeated += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)


@asynccontextmanager
async def connected(base_url: str) -> AsyncIterator[Client]:
    """A client of the platform at `base_url`."""
    # People sign in side by side here: each keeps their own cookies, the pool none.
    no_cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx.Limits(max_connections=CONCURRENT_REQUESTS, keepalive_expiry=3)
    async with httpx.AsyncClient(
        base_url=base_url, timeout=20, trust_env=False, cookies=no_cookies, limits=limits
    ) as pool:
        yield Client(pool)


async def eventually(
    act: Callable[[], Awaitable[Result]], *codes: str, within_s: float = PATIENCE_S, pause_s: float = 0.1
) -> Result:
    """Repeat an act that is refused with one of `codes`: the fact it needs is still on its way from another service.

    Raises:
        Refused: another refusal, or still one of `codes` when the time is over.
    """
    give_up = time.monotonic() + within_s
    while True:
        try:
            return await act()
        except Refused as refusal:
            if refusal.code not in codes or time.monotonic() > give_up:
                raise
        await asyncio.sleep(pause_s)


async def until(
    read: Callable[[], Awaitable[Result]],
    holds: Callable[[Result], bool],
    what: str,
    *,
    within_s: float = PATIENCE_S,
    pause_s: float = 0.15,
) -> Result:
    """Read until it holds. Raises PilotFailed, naming `what`, when it does not in time."""
    give_up = time.monotonic() + within_s
    while True:
        found = await read()
        if holds(found):
            return found
        if time.monotonic() > give_up:
            raise PilotFailed(f"Waited {within_s:.0f} s in vain for {what}; it is {found}")
        await asyncio.sleep(pause_s)


async def for_each(items: Iterable[Item], act: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """Do an act for all items side by side; the first failure ends the others. Results in the order of the items."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_awaited(act(item))) for item in items]
    return [task.result() for task in tasks]


async def _awaited(act: Awaitable[Result]) -> Result:
    return await act
