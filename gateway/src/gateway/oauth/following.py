"""Keeping up with the other replicas: they tell at once what changed, and the database is asked each second besides."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from cme_kit.mongo import PyMongoError
from cme_kit.notices import Notice, Notices

from gateway.clients.service import Clients
from gateway.oauth.revocations import Revocations
from gateway.oauth.rotation import Rotation

#: What another replica did holds here after so many seconds, although no notice came.
POLL_SECONDS = 1.0
CHANGED = "client"
log = structlog.get_logger(__name__)


class Following:
    """What this replica remembers of clients, revocations and keys, kept up to date."""

    def __init__(self, clients: Clients, revocations: Revocations, rotation: Rotation, notices: Notices) -> None:
        self._clients = clients
        self._revocations = revocations
        self._rotation = rotation
        self._notices = notices
        self._telling: set[asyncio.Task[None]] = set()
        clients.on_change = self._tell
        notices.on(CHANGED, self._heard)

    async def run(self) -> None:
        """Ask again and again; while the database is away, what is known stays."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._revocations.refresh()
                await self._clients.forget_changed()
                await self._rotation.tend()
            except (PyMongoError, OSError) as error:
                log.warning("not up to date with the other replicas", error=type(error).__name__)

    def _tell(self, client_id: str) -> None:
        self._begin(self._notices.tell(CHANGED, {"client_id": client_id}))

    def _begin(self, telling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _heard(self, notice: Notice) -> None:
        self._clients.forget(str(notice["client_id"]))
