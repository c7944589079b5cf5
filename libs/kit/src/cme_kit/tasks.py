"""What runs beside the requests of a process until it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from nats.errors import Error as NatsError

from cme_kit.mongo import PyMongoError

log = structlog.get_logger(__name__)


class Tasks:
    """The tasks of one process."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, name: str, work: Callable[[], Any]) -> None:
        """Run `work` until the process stops; its failure stops the process loudly."""
        task = asyncio.create_task(work(), name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def every(
        self, seconds: float, name: str, work: Callable[[], Awaitable[object]], woken: asyncio.Event | None = None
    ) -> None:
        """Do `work` again and again, at once when `woken` is set; an engine away only delays it."""
        wake = woken or asyncio.Event()

        async def repeat() -> None:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await wake.wait()
                wake.clear()
                try:
                    await work()
                except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                    log.warning("will try again", task=name, error=type(error).__name__)

        self.run(name, repeat)

    async def stop(self) -> None:
        """Cancel what runs and wait for its end."""
        running = set(self._running)
        while running:
            # Again and again: on Python 3.11 `wait_for`, which nats-py uses, can swallow a cancellation.
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.5)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("a task of the service failed; stopping", task=task.get_name(), exc_info=error)
            raise SystemExit(1)
