"""What takes longer than the caller waits is stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cme_kit.deadlines import HEADER, Deadlines
from starlette.types import Message, Receive, Scope, Send


async def answered(app: Any, *headers: tuple[bytes, bytes]) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await Deadlines(app)({"type": "http", "headers": list(headers)}, receive, send)
    return sent


class Slow:
    """Begins, and ends only when it is stopped."""

    def __init__(self, *, starts: bool = False) -> None:
        self.stopped = False
        self._starts = starts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._starts:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise


async def quick(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_handler_is_stopped_at_the_deadline_and_its_caller_told() -> None:
    slow = Slow()

    sent = await answered(slow, (HEADER, b"20"))

    assert slow.stopped
    assert sent[0]["status"] == 504
    assert b'"code":"deadline_exceeded"' in sent[1]["body"]


async def test_half_an_answer_is_not_followed_by_another() -> None:
    sent = await answered(Slow(starts=True), (HEADER, b"20"))

    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"soon", b"9" * 400])
async def test_what_is_no_number_of_milliseconds_limits_nothing(value: bytes) -> None:
    sent = await answered(quick, (HEADER, value))

    assert sent[0]["status"] == 204


async def test_a_timeout_of_the_handler_itself_is_not_taken_for_the_deadline() -> None:
    async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await answered(impatient, (HEADER, b"10000"))
