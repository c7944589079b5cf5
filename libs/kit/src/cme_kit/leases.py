"""A lease: of all replicas of a service one holds it, until it stops prolonging it."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

from cme_kit.clock import Clock
from cme_kit.mongo import Database, DuplicateKeyError

LEASES = "leases"
LEASE = timedelta(seconds=4)


class Lease:
    """The right of one process to do what only one may do at a time."""

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self._rows = database.collection(LEASES)
        self._name = name
        self._clock = clock
        self._owner = uuid4().hex
        self._until = 0.0
        #: How often this process came into office: after a pause another one may have been there.
        self.terms = 0

    async def held(self) -> bool:
        """Whether this process holds the lease; taken when it is free, prolonged in its second half."""
        began = time.monotonic()
        if self._until - began > LEASE.total_seconds() / 2:
            return True
        now = self._clock.now()
        free = {"_id": self._name, "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]}
        try:
            await self._rows.update(free, {"$set": {"owner": self._owner, "until": now + LEASE}}, upsert=True)
        except DuplicateKeyError:  # somebody else holds it, so the upsert found no match and could not insert
            return False
        if self._until < began:
            self.terms += 1
        # Measured from before the question: a process that is paused here finds its lease over.
        self._until = began + LEASE.total_seconds()
        return True

    async def give_up(self) -> None:
        """Let another process hold it at once."""
        await self._rows.delete({"_id": self._name, "owner": self._owner})
