"""Taking the messages of a durable pull consumer one by one as they come (JetStream API, `CONSUMER.MSG.NEXT`).

nats-py's `fetch` gives each message a task and a timer of its own, which costs as much as validating it twice, and hands a
batch over when its last message is there. Here a subscription hands over each at once; a request asks for the next ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

BATCH = 64
#: How long a request stays open on the server. One that a restarted server forgot is repeated after a second more.
OPEN_SECONDS = 3.0
_HEARTBEAT, _NOTHING_CAME, _TIME_IS_OVER = "100", "404", "408"


class PullEnded(NatsError):
    """The server gives no more to this request: the consumer is gone, or has another leader."""


class Pull:
    """One reader of a durable consumer."""

    def __init__(self, nats: Client, stream: str, durable: str, take: Callable[[Msg], None]) -> None:
        """`take` gets each message at once; it must not wait."""
        self._nats = nats
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._take = take
        self._request = json.dumps({"batch": BATCH, "expires": int(OPEN_SECONDS * 1e9)}).encode()
        self._left = 0
        self._over = asyncio.Event()
        self._refused = ""

    async def run(self) -> None:
        """Take messages until cancelled. Raises PullEnded, and NatsError when there is no connection."""
        inbox = self._nats.new_inbox()
        subscription = await self._nats.subscribe(inbox, cb=self._came)
        try:
            while not self._refused:
                self._left = BATCH
                self._over.clear()
                await self._nats.publish(self._next, self._request, reply=inbox)
                with suppress(TimeoutError):
                    async with asyncio.timeout(OPEN_SECONDS + 1):
                        await self._over.wait()
        finally:
            # Without interest the server keeps for others what an open request would still take.
            with suppress(NatsError):
                await subscription.unsubscribe()
        raise PullEnded(self._refused)

    async def _came(self, message: Msg) -> None:
        status = message.headers.get("Status") if message.headers else None
        if status is None:
            self._take(message)
            self._left -= 1
            if not self._left:
                self._over.set()
        elif status in {_NOTHING_CAME, _TIME_IS_OVER}:
            self._over.set()
        elif status != _HEARTBEAT:
            assert message.headers is not None
            self._refused = f"{status} {message.headers.get('Description', '')}".strip()
            self._over.set()
