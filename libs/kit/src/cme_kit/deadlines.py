"""Nobody works for a caller who no longer waits: the gateway says how long it does, and what takes longer is stopped."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cme_kit.problems import ServiceError, problem_response

#: Milliseconds that are left, relative so that clocks need not agree: what Envoy sends to the services behind it.
#: The gateway drops what its clients send by this name.
HEADER = b"x-envoy-expected-rq-timeout-ms"
#: More than any request may take, so that no number is too large for a timer.
LONGEST_MS = 3_600_000
MOST_DIGITS = 12


class DeadlineExceeded(ServiceError):
    """The service took longer than its caller waits; what it had not committed did not happen."""

    code, status = "deadline_exceeded", 504


class Deadlines:
    """ASGI middleware: cancels a handler at the deadline of its request and answers 504 in its place."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, for as long as the caller waits."""
        seconds = _seconds_left(scope) if scope["type"] == "http" else None
        if seconds is None:
            await self._app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(seconds) as deadline:
                await self._app(scope, receive, noted)
        except TimeoutError:
            if not deadline.expired():
                raise
            if started:
                # Returning without the end of the answer makes the server close the connection.
                return
            late = DeadlineExceeded("This took longer than the caller waits. Ask again, or for less at once.")
            await problem_response(late.status, late.code, late.detail)(scope, receive, send)


def _seconds_left(scope: Scope) -> float | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return min(int(value), LONGEST_MS) / 1000 if value.isdigit() and len(value) <= MOST_DIGITS else None
    return None
