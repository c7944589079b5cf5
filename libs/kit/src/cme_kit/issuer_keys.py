"""The keys that access tokens are signed with, as the gateway publishes them."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from joserfc.jwk import KeySet

from cme_kit import jose
from cme_kit.problems import Unavailable

#: An unknown key id makes us read the keys again, but not more often than this.
REFETCH_SECONDS = 5.0
#: After a failure sooner.
RETRY_SECONDS = 1.0
#: A key that was withdrawn counts here for so long.
KEEP_SECONDS = 60.0
log = structlog.get_logger(__name__)

#: Reads a JWK Set (RFC 7517 section 5). Raises OSError or ValueError.
KeySource = Callable[[], Awaitable[Any]]


def keys_at(url: str) -> KeySource:
    """The keys at an address. A client library would cost every service 12 MB for one document in an hour."""

    def read() -> Any:
        with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310  (the address is a setting)
            return json.load(response)

    return lambda: asyncio.to_thread(read)


class IssuerKeys:
    """The keys of an issuer by their ids."""

    def __init__(
        self, read_key_set: KeySource, on_withdrawal: Callable[[], None], refetch_seconds: float, keep_seconds: float
    ) -> None:
        """Keys are read again `keep_seconds` later, and for an unknown one at most every `refetch_seconds`.

        `on_withdrawal` is called when a key is not published any more.
        """
        self._read_key_set = read_key_set
        self._on_withdrawal = on_withdrawal
        self._refetch_seconds = refetch_seconds
        self._keep_seconds = keep_seconds
        self._keys: dict[str, Any] = {}
        self._read_again_at = float("-inf")
        self._stale_at = float("inf")
        self._reading: asyncio.Task[None] | None = None
        self._fetching = asyncio.Lock()

    def freshen(self, now: float) -> None:
        """Begin to read them again when that is due at `now` (seconds since the epoch); nobody waits for it."""
        if now >= self._stale_at and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())

    async def find(self, key_id: str) -> Any:
        """The key with an id, or None. Raises Unavailable when none could be read."""
        if key_id not in self._keys:
            async with self._fetching:
                if key_id not in self._keys and time.monotonic() >= self._read_again_at:
                    await self._read()
            if not self._keys:
                raise Unavailable("The authorization server's keys cannot be read right now.")
        return self._keys.get(key_id)

    async def _read(self) -> None:
        try:
            keys = KeySet.import_key_set(await self._read_key_set())
        except (OSError, *jose.WRONG) as error:
            log.warning("keys not read", error=type(error).__name__)
            wait = min(self._refetch_seconds, RETRY_SECONDS)
        else:
            found = {key.kid: key for key in keys.keys if key.kid}
            if not self._keys.keys() <= found.keys():
                self._on_withdrawal()
            self._keys = found
            wait = self._refetch_seconds
        self._read_again_at = time.monotonic() + wait
        self._stale_at = time.time() + self._keep_seconds
