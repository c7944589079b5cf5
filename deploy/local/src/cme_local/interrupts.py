"""Ctrl-C and SIGTERM: the first stops in order, the second kills."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_interrupted(work: Awaitable[None]) -> bool:
    """Run to the end, or until a signal has cancelled the work and its clean-up is done; True when interrupted."""

    async def cancellable() -> bool:
        task = asyncio.current_task()
        assert task is not None
        with on_signal(task.cancel):
            try:
                await work
            except asyncio.CancelledError:
                return True
        return False

    return asyncio.run(cancellable())


@contextmanager
def on_signal(action: Callable[[], object]) -> Iterator[None]:
    """Call the action on Ctrl-C, SIGTERM and SIGHUP, inside the block."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
