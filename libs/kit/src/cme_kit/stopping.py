"""Knowing that the process is told to stop, before the server waits for its open connections to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_told_to_stop(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` in this event loop when a signal tells the process to stop while the block runs.

    The server's own handler is called as well. In another thread than the main one there are no signals: nothing is
    called there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    usual: dict[int, Any] = {}

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        if callable(usual[number]):
            usual[number](number, frame)

    for number in SIGNALS:
        usual[number] = signal.signal(number, told)
    try:
        yield
    finally:
        for told_by, handler in usual.items():
            signal.signal(told_by, handler)
