"""Read models that can be made again: which there are, what was asked of them, and who is at work.

A rebuild is a document. Whichever replica holds its lease makes the model anew beside the one in use; one that was
killed is begun again by the next holder.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from datetime import datetime
from secrets import token_hex
from typing import Literal

import structlog

from cme_kit.inbox import INBOX
from cme_kit.mongo import Document, DuplicateKeyError
from cme_kit.problems import NotFound
from cme_kit.remaking import REBUILDS, CannotBeMade, Ground, LeaseLost, Remaking, stand_in_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rebuild:
    """The last rebuild of a read model; `changed` counts the documents that were, or with `dry_run` are, wrong."""

    state: Literal["building", "done", "failed"]
    dry_run: bool
    requested_at: datetime
    finished_at: datetime | None
    events: int
    changed: int
    #: Why it failed.
    reason: str | None


@dataclass(frozen=True)
class ReadModel:
    """A read model that can be made again."""

    name: str
    #: The types of the events that it is made of.
    types: list[str]
    documents: int
    #: Events of these types that were applied.
    events: int
    rebuild: Rebuild | None


class ReadModels:
    """The read models of one service."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._rebuilds = ground.database.collection(REBUILDS)
        self.woken = asyncio.Event()
        self.woken.set()  # to look at once for what a killed process left

    async def overview(self) -> list[ReadModel]:
        """All of them with their counts."""
        return [await self.find(name) for name in sorted(self._ground.subscriptions.models)]

    async def find(self, name: str) -> ReadModel:
        """One of them. Raises NotFound."""
        if name not in self._ground.subscriptions.models:
            raise NotFound("read model")
        types = sorted(row.event_type.type for row in self._ground.subscriptions.models[name])
        last = await self._rebuilds.find_one({"_id": name})
        return ReadModel(
            name=name,
            types=types,
            documents=await self._ground.database.collection(name).count({}),
            events=await self._ground.database.collection(INBOX).count({"type": {"$in": types}}),
            rebuild=Rebuild(**{field.name: last[field.name] for field in fields(Rebuild)}) if last else None,
        )

    async def request(self, name: str, *, dry_run: bool) -> ReadModel:
        """Have a model made again, or with `dry_run` only compared; one that is at work goes on. Raises NotFound."""
        if name not in self._ground.subscriptions.models:
            raise NotFound("read model")
        now = self._ground.clock.now()
        fresh: Document = {"state": "building", "dry_run": dry_run, "requested_at": now, "until": now}
        fresh |= {"finished_at": None, "events": 0, "changed": 0, "reason": None}
        try:
            idle = {"_id": name, "state": {"$ne": "building"}}
            await self._rebuilds.update(idle, {"$set": fresh, "$setOnInsert": {"runs": []}}, upsert=True)
        except DuplicateKeyError:
            log.info("this read model is being made again already", model=name)
        self.woken.set()
        return await self.find(name)

    async def advance(self) -> None:
        """Make what was asked for and nobody is at work on. Raises the errors of an engine that is away."""
        for name in self._ground.subscriptions.models:
            if (run := await self._take(name)) is not None:
                await self._make(name, run)

    async def _take(self, name: str) -> str | None:
        """A new run, when nobody else holds the lease; what the runs before it left is removed."""
        run, now = token_hex(4), self._ground.clock.now()
        free = {"_id": name, "state": "building", "until": {"$lte": now}}
        begun = {"run": run, "until": now + Remaking.LEASE, "events": 0, "changed": 0}
        taken = await self._rebuilds.change(free, {"$set": begun, "$push": {"runs": run}})
        if taken is None:
            return None
        for earlier in taken["runs"][:-1]:
            log.warning("a read model's rebuild is begun again", model=name, run=earlier)
            await self._ground.database.collection(stand_in_of(name, earlier)).drop()
        return run

    async def _make(self, name: str, run: str) -> None:
        outcome: Document = {"state": "done", "reason": None}
        try:
            await Remaking(self._ground, name, run).make()
        except LeaseLost:
            log.warning("another replica makes this read model again", model=name, run=run)
            return
        except CannotBeMade as error:
            outcome = {"state": "failed", "reason": str(error)}
        await self._ground.database.collection(stand_in_of(name, run)).drop()
        ended = {"$set": {**outcome, "finished_at": self._ground.clock.now(), "runs": []}}
        await self._rebuilds.update({"_id": name, "run": run}, ended)
        log.warning("a read model was made again", model=name, **outcome)
