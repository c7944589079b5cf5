"""Status lists: giving each credential a place, and publishing what was revoked."""

from __future__ import annotations

import json
import secrets

from cme_kit.clock import Clock
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound

from credentials.keys.service import Issuer
from credentials.status.domain import LENGTH, status_credential
from credentials.status.repository import StatusList, StatusListRepository

#: Places tried at once; when all are taken the list is nearly full and the next one begins.
CANDIDATES = 16


class StatusLists:
    """The issuer's status lists."""

    def __init__(self, issuer: Issuer, lists: StatusListRepository, clock: Clock) -> None:
        self._issuer = issuer
        self._lists = lists
        self._clock = clock
        self._newest = 1

    async def start(self) -> None:
        """Continue with the newest list; the first one is there from the start.

        After a restore a new list begins: those of before stay published and get no new entries.
        """
        self._newest = max(1, await self._lists.highest(), await self._lists.first_after_restoration())
        await self.ensure(self._newest)

    def candidates(self) -> tuple[int, list[int]]:
        """The list in use and random places in it: an index says nothing about when or to whom it was given."""
        return self._newest, [secrets.randbelow(LENGTH) for _ in range(CANDIDATES)]

    async def open_next(self, full: int) -> None:
        """Begin a new list after one that turned out full."""
        self._newest = max(self._newest, full + 1)
        await self.ensure(self._newest)

    async def ensure(self, number: int) -> None:
        """Publish a list before a credential refers to it in public."""
        if await self._lists.find(number) is None:
            await self._lists.create(number, await self._signed(number, ()))

    async def find(self, number: int) -> StatusList:
        """A published list. Raises NotFound."""
        if (found := await self._lists.find(number)) is None:
            raise NotFound("status list")
        return found

    async def revoke(self, tx: Transaction, number: int, index: int) -> None:
        """Set a bit and sign the list anew, together with whatever `tx` writes.

        A list signed for a transaction that is then not committed never leaves this process.
        """
        found = await self._lists.find(number, tx.session)
        if found is None:
            raise NotFound("status list")
        signed = await self._signed(number, (*found.revoked, index))
        await self._lists.revoke(number, index, signed, tx.session)

    async def _signed(self, number: int, revoked: tuple[int, ...]) -> str:
        now = self._clock.now()
        document = status_credential(self._issuer.public_url, self._issuer.did, number, revoked, now)
        return json.dumps(await self._issuer.sign(document, self._issuer.canonical(document), now))
