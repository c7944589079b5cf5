"""Per service: nobody waits for one that fails, and one request at a time tries whether it is back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import structlog
from cme_kit.problems import Unavailable

#: Failures in a row, without one answer between them, after which a service is left alone.
FAILURES = 5
#: How long; then one request tries.
OPEN_SECONDS = 1.0
log = structlog.get_logger(__name__)


class UpstreamDown(Unavailable):
    """The service does not take connections."""

    code = "upstream_down"


class Breaker:
    """A circuit breaker: closed, open, and half open while one request tries."""

    def __init__(self, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    def enter(self) -> None:
        """Before a request; `succeeded`, `failed` or `left` follows. Raises UpstreamDown while open."""
        if self._open_until is None:
            return
        left = self._open_until - self._clock()
        if left > 0 or self._trying:
            detail = f"{self._service} is starting or down. Try again."
            raise UpstreamDown(detail, retry_after=max(1, math.ceil(left)))
        self._trying = True

    def succeeded(self) -> None:
        """The service answered, whatever it said."""
        if self._failures:
            self._failures = 0
            if self._open_until is not None:
                log.info("circuit closed", service=self._service)
                self._open_until = None
        self._trying = False

    def failed(self) -> None:
        """It could not be reached, broke off, or answered too late."""
        self._failures += 1
        self._trying = False
        if self._failures >= FAILURES:
            if self._open_until is None:
                log.warning("circuit open", service=self._service)
            self._open_until = self._clock() + OPEN_SECONDS

    def left(self) -> None:
        """The request ended without saying anything of the service: its caller hung up."""
        self._trying = False
