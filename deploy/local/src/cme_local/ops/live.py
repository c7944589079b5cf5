"""`GET /live/{topic}`: tells a page that there is something new (server-sent events); the page then asks for itself again.

Nothing runs while nobody listens: each listener looks at a number every other second, and there are few at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cme_local.ops.pages import HEADERS, problem

MOST_LISTENERS = 16
LOOK_EVERY_S = 2.0
#: Proxies and browsers give up on a stream that says nothing.
SIGN_OF_LIFE_EVERY = 8
#: Then the browser connects again and is asked for its session again.
LONGEST_S = 600.0
#: What is asked of the services has no revision: it is worth another look at this pace.
REGULARLY_S = 5.0


def topics(store_revision: Callable[[], int]) -> dict[str, Callable[[], int]]:
    """What a page can follow: the traces, and the event platform, which is asked anew now and then."""
    return {"traces": store_revision, "events": _regularly}


def _regularly() -> int:
    return int(time.monotonic() / REGULARLY_S)


class Live:
    """The listeners of all topics."""

    def __init__(
        self,
        revisions: Mapping[str, Callable[[], int]],
        look_every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._revisions = revisions
        self._look_every_s = look_every_s
        self._clock = clock
        self._closed = asyncio.Event()
        self.listeners = 0

    def close(self) -> None:
        """End every stream: a stopping server waits for its connections."""
        self._closed.set()

    def knows(self, topic: str) -> bool:
        """Whether there is such a topic."""
        return topic in self._revisions

    def listen(self, topic: str) -> AsyncIterator[bytes] | None:
        """A stream of news, or None when there are too many listeners."""
        return self._news(self._revisions[topic]) if self.listeners < MOST_LISTENERS else None

    async def _news(self, revision: Callable[[], int]) -> AsyncIterator[bytes]:
        # Counted from its first step on: an answer that is never begun would never be counted back.
        self.listeners += 1
        try:
            seen, quiet, until = revision(), 0, self._clock() + LONGEST_S
            yield b"retry: 5000\n\n"
            while not await self._closes() and self._clock() < until:
                if (now := revision()) != seen:
                    seen, quiet = now, 0
                    yield b"data: news\n\n"
                elif (quiet := quiet + 1) % SIGN_OF_LIFE_EVERY == 0:
                    yield b": nothing new\n\n"
        finally:
            self.listeners -= 1

    async def _closes(self) -> bool:
        try:
            async with asyncio.timeout(self._look_every_s):
                return await self._closed.wait()
        except TimeoutError:
            return False


def routes(live: Live) -> list[Route]:
    """The stream of each topic."""

    async def listen(request: Request) -> Response:
        topic = request.path_params["topic"]
        if not live.knows(topic):
            return problem(HTTPStatus.NOT_FOUND, "topic_not_found", "There is no such topic.")
        news = live.listen(topic)
        if news is None:
            detail = f"{MOST_LISTENERS} pages follow already. Close one, or load the page again to see what is new."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_listeners", detail)
        return StreamingResponse(news, media_type="text/event-stream", headers=HEADERS)

    return [Route("/live/{topic}", listen)]
