"""Writers that register organisations through the public API, and remember what they were told."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from cme_local.stack import Stack

WRITERS = 8
WRITES_PER_S = 30.0
#: Above the gateway's deadline of 15 s: a request that takes longer hangs.
HUNG_S = 20.0
PATIENCE_S = 90.0
WRITER = "faults-writer"
AGAIN = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
#: What the gateway or a service answers while something behind it is away: it has to say when to come back.
SAYS_WHEN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class Api:
    """Requests to one stack with a client's token, which is renewed when it is refused."""

    def __init__(self, http: aiohttp.ClientSession, stack: Stack, client_id: str, client_secret: str) -> None:
        self._http = http
        self._stack = stack
        self._credentials = {"Authorization": aiohttp.encode_basic_auth(client_id, client_secret)}
        self._token = ""
        self._renewing = asyncio.Lock()

    async def request(self, method: str, path: str, **content: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers. Raises aiohttp.ClientError, OSError and TimeoutError as they come."""
        token = self._token or await self._renewed("")
        headers = {"Authorization": f"Bearer {token}"} | content.pop("headers", {})
        async with self._http.request(method, self._stack.api + path, headers=headers, **content) as answer:
            if answer.status == HTTPStatus.UNAUTHORIZED:
                await self._renewed(token)
            body = await answer.json() if "json" in answer.content_type else await answer.text()
            return answer.status, body, {k.lower(): v for k, v in answer.headers.items()}

    async def _renewed(self, refused: str) -> str:
        async with self._renewing:
            if self._token == refused:
                form = {"grant_type": "client_credentials"}
                async with self._http.post(
                    f"{self._stack.api}/oauth/token", data=form, headers=self._credentials
                ) as answer:
                    granted = await answer.json(content_type=None)
                    if answer.status != HTTPStatus.OK:
                        raise aiohttp.ClientPayloadError(f"no token: {answer.status}")
                    self._token = granted["access_token"]
        return self._token


@asynccontextmanager
async def opened(stack: Stack, scopes: str = "enrolment.organisations:write") -> AsyncIterator[Api]:
    """A client of our own on a running stack, made through the gateway's API."""
    limits = aiohttp.TCPConnector(limit=100, keepalive_timeout=5)
    timeout = aiohttp.ClientTimeout(total=HUNG_S)
    async with aiohttp.ClientSession(connector=limits, timeout=timeout) as http:
        boss = Api(http, stack, stack.bootstrap.client_id, stack.bootstrap.client_secret)
        client_id = f"{WRITER}-{secrets.token_hex(4)}"
        wanted = {
            "client_id": client_id,
            "name": "Writer of the fault suite",
            "redirect_uris": [],
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
            "jwks": None,
            "scopes": scopes.split(),
            "organisation_id": None,
        }
        status, made, _ = await boss.request(
            "POST", "/gateway/v1/clients", json=wanted, headers={"Idempotency-Key": secrets.token_hex(8)}
        )
        assert status == HTTPStatus.CREATED, made
        yield Api(http, stack, client_id, made["client_secret"])


@dataclass
class Told:
    """What the client's side knows."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    attempts: int = 0
    slowest_s: float = 0.0

    @property
    def unknown(self) -> set[str]:
        """Writes that were asked for and never answered."""
        return self.pending - self.acknowledged.keys()


class Workload:
    """Writers at a steady pace; each repeats a write under its Idempotency-Key until it is answered."""

    def __init__(self, api: Api, run: str, pace: float = WRITES_PER_S) -> None:
        self._api = api
        self.run = run
        self._pause = WRITERS / pace
        self._stopping = asyncio.Event()
        self._count = 0
        self.told = Told()

    async def drive(self) -> None:
        """Write until `stop`, then until each write that was begun is answered or given up."""
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(self._writer())

    def stop(self) -> None:
        """Begin no further write."""
        self._stopping.set()

    async def acknowledge(self, more: int, within_s: float = PATIENCE_S) -> bool:
        """Wait until so many further writes are acknowledged; whether they were in time."""
        wanted = len(self.told.acknowledged) + more
        give_up = time.monotonic() + within_s
        while len(self.told.acknowledged) < wanted:
            if time.monotonic() > give_up:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _writer(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._count += 1
            await self.write(f"{self.run} {self._count:06}")
            rest = self._pause - (time.monotonic() - began)
            if rest > 0:
                await asyncio.sleep(rest)

    async def write(self, name: str) -> None:
        """Register an organisation of this name, once."""
        self.told.pending.add(name)
        give_up = time.monotonic() + PATIENCE_S
        pause = 0.05
        while time.monotonic() < give_up:
            if await self._attempt(name):
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _attempt(self, name: str) -> bool:
        """Ask once; whether there was a final answer."""
        began = time.monotonic()
        self.told.attempts += 1
        body = {"name": name, "country": "LT", "kind": "partner", "website": None}
        key = {"Idempotency-Key": name.replace(" ", "-")}
        try:
            status, answer, headers = await self._api.request(
                "POST", "/enrolment/v1/organisations", json=body, headers=key
            )
        except TimeoutError:
            self.told.violations.append(f"no answer within {HUNG_S:.0f} s")
            return False
        except (aiohttp.ClientError, OSError):
            return False
        finally:
            self.told.slowest_s = max(self.told.slowest_s, time.monotonic() - began)
        return self._judge(name, status, answer, headers)

    def _judge(self, name: str, status: int, answer: Any, headers: dict[str, str]) -> bool:
        if status == HTTPStatus.CREATED:
            self.told.acknowledged[name] = answer["organisation_id"]
            return True
        if status == HTTPStatus.INTERNAL_SERVER_ERROR or status not in AGAIN:
            self.told.violations.append(f"answered {status}: {answer}"[:200])
        if status in SAYS_WHEN and "retry-after" not in headers:
            self.told.violations.append(f"{status} without Retry-After")
        return status not in AGAIN
