"""Notices: what the replicas of one deployable tell each other at once, over a core subject of the bus.

Nothing is kept: a notice that finds no connection is lost. Whoever acts on notices also asks the database now and then.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from cme_kit.mongo import PyMongoError

Notice = dict[str, Any]
Hear = Callable[[Notice], Awaitable[None]]
log = structlog.get_logger(__name__)


class Notices:
    """The notices on one subject, by their kinds."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._hear: dict[str, list[Hear]] = {}
        self._nats: Client | None = None

    def on(self, kind: str, hear: Hear) -> None:
        """Call `hear` with every notice of a kind from now on; the process that tells one hears it as well."""
        self._hear.setdefault(kind, []).append(hear)

    async def tell(self, kind: str, notice: Notice) -> None:
        """Tell every replica, this one included; without a connection nobody hears it, and nothing is raised."""
        if self._nats is None:
            log.info("no notice without a connection", kind=kind)
            return
        try:
            await self._nats.publish(self._subject, json.dumps({"kind": kind, **notice}).encode())
        except (NatsError, OSError) as error:
            log.warning("a notice was not told", kind=kind, error=type(error).__name__)

    async def attach(self, client: Client) -> None:
        """Listen and tell by this connection; the client listens again after each time it was away."""
        await client.subscribe(self._subject, cb=self._came)
        self._nats = client

    async def _came(self, message: Msg) -> None:
        try:
            notice = json.loads(message.data)
            heard = self._hear.get(notice["kind"], [])
        except (ValueError, TypeError, KeyError):
            log.warning("not a notice", size=len(message.data))
            return
        for hear in heard:
            try:
                await hear(notice)
            except (PyMongoError, KeyError, TypeError, ValueError) as error:
                log.warning("a notice was not acted on", kind=notice["kind"], error=type(error).__name__)
