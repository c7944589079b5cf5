"""One run of a rebuild: the model is made beside the one in use, then each document that differs is put right.

Nothing is cleared, so readers never see less than there was. Every comparison is one transaction that first applies to
the new model what its snapshot's inbox says was applied meanwhile: both sides are of the same moment, and an event
that is applied at the same time either loses against it and runs again, or comes on top of what is right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from cme_contracts import CloudEvent
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.inbox import INBOX
from cme_kit.mongo import Collection, Database, Document, PyMongoError, is_passing, standing_in
from cme_kit.outbox import Outbox, Transaction
from cme_kit.streams import read_stream, stream_of
from cme_kit.subscriptions import Subscriptions, Unreadable

REBUILDS = "rebuilds"
#: Events in one transaction: few, so that it fits into the lease on a busy machine as well.
BATCH = 25
#: Documents compared in one transaction.
DOCUMENTS = 200
#: Read and not applied here yet: what is on its way, and dead letters. They are kept in memory.
MOST_WAITING = 1_000
#: An event that is applied longer ago than this was committed before now, on whichever replica.
LONGEST_COMMIT = timedelta(minutes=5)
log = structlog.get_logger(__name__)


class CannotBeMade(Exception):
    """The model cannot be made from the streams; it is left as it is."""


class LeaseLost(Exception):
    """Another replica took over."""


def stand_in_of(model: str, run: str) -> str:
    """The collection in which a run makes a model."""
    return f"{model}_{run}"


@dataclass(frozen=True)
class Ground:
    """What the read models of a service are made on."""

    service: str
    database: Database
    outbox: Outbox
    jetstream: JetStreamContext
    clock: Clock
    subscriptions: Subscriptions


class Remaking:
    """Makes one read model again."""

    #: How long a run may be silent before another replica begins again.
    LEASE = timedelta(seconds=20)

    def __init__(self, ground: Ground, model: str, run: str) -> None:
        self._ground = ground
        self._subscriptions = ground.subscriptions
        self._model = model
        self._run = run
        self._rebuilds = ground.database.collection(REBUILDS)
        self._inbox = ground.database.collection(INBOX)
        self._used = ground.database.collection(model)
        self._made = ground.database.collection(stand_in_of(model, run))
        rows = ground.subscriptions.models[model]
        self._types = {row.event_type.type for row in rows}
        self._subjects: dict[str, list[str]] = {}
        for row in rows:
            self._subjects.setdefault(stream_of(row.event_type), []).append(row.event_type.subject)
        self._read_until = dict.fromkeys(self._subjects, 0)
        self._waiting: dict[str, CloudEvent] = {}
        self._since = ground.clock.now() - LONGEST_COMMIT

    async def make(self) -> None:
        """Make the model and put right what differs.

        Raises CannotBeMade, LeaseLost, and the errors of an engine that does not answer.
        """
        asked = await self._rebuilds.find_one({"_id": self._model, "run": self._run})
        if asked is None:
            raise LeaseLost
        await self._require_beginnings()
        await self._read_on()
        await self._require_all()
        while await self._compare(change=not asked["dry_run"]):
            # An event applied meanwhile may have read a document that was still wrong.
            log.info("a read model was put right", model=self._model)

    async def _require_beginnings(self) -> None:
        for stream in self._subjects:
            try:
                first = (await self._ground.jetstream.stream_info(stream)).state.first_seq
            except NotFoundError:
                raise CannotBeMade(f"There is no stream {stream}.") from None
            if first > 1:
                raise CannotBeMade(f"{stream} begins with message {first}: those before it are gone. Nothing changed.")

    async def _require_all(self) -> None:
        """Every event that was applied must have been in the streams."""
        missing = self._not_made_again() | {"applied_at": {"$lt": self._since}}
        if count := await self._inbox.count(missing):
            streams = " and ".join(sorted(self._subjects))
            raise CannotBeMade(
                f"{streams} no longer hold {count} of the events that were applied. Let the service that states them "
                "rebuild its stream first, if its outbox has them still. Nothing changed."
            )

    def _not_made_again(self) -> Document:
        return {"type": {"$in": sorted(self._types)}, "rebuilt": {"$ne": self._run}}

    async def _read_on(self) -> None:
        """Read what the streams hold by now, and apply of it what was applied here before. The rest waits."""
        await self._read(self._replay)
        await self._replay()

    async def _read(self, after_each_batch: Callable[[], Awaitable[object]] | None = None) -> None:
        came = 0
        # Those with personal data first: they come before the facts of other streams about the same persons.
        for stream in sorted(self._subjects, reverse=True):
            after, subjects = self._read_until[stream], self._subjects[stream]
            reading = read_stream(self._ground.jetstream, stream, self._ground.service, subjects, after=after)
            async for message in reading:
                self._read_until[stream] = message.metadata.sequence.stream
                try:
                    envelope = self._subscriptions.open(message.data, message.subject)
                except Unreadable:  # a dead letter since it came
                    continue
                self._waiting[str(envelope.id)] = envelope
                came += 1
                if after_each_batch is not None and came % BATCH == 0:
                    await after_each_batch()
                if len(self._waiting) > MOST_WAITING:
                    raise CannotBeMade(f"More than {MOST_WAITING} events wait to be applied: try again once they are.")

    async def _replay(self) -> None:
        """Apply what waits and can be applied now."""
        if not self._waiting:
            return

        async def work(tx: Transaction) -> set[str]:
            applied = await self._apply(tx, self._waiting)
            await self._hold_lease(tx, {"events": len(applied)})
            return applied

        applied = await self._ground.outbox.transaction(work)
        self._forget(applied)
        await failpoint("rebuild.replayed")

    def _forget(self, applied: set[str]) -> None:
        self._waiting = {event_id: event for event_id, event in self._waiting.items() if event_id not in applied}

    async def _apply(self, tx: Transaction, events: Mapping[str, CloudEvent]) -> set[str]:
        """Apply those that the inbox has, in their order, each after those before it; which were."""
        known = await self._inbox.find({"_id": {"$in": list(events)}}, session=tx.session)
        again = {row["_id"] for row in known if row.get("rebuilt") == self._run}
        new = {row["_id"] for row in known} - again
        left = {key: event for key, event in events.items() if key in new}
        applied: set[str] = set()
        while ready := [key for key, event in left.items() if not await self._is_early(tx, event, applied)]:
            for key in ready:
                await self._apply_one(tx, left.pop(key))
                applied.add(key)
        if applied:
            made_again = {"_id": {"$in": sorted(applied)}}
            await self._inbox.update_many(made_again, {"$set": {"rebuilt": self._run}}, tx.session)
        return applied | again

    async def _is_early(self, tx: Transaction, event: CloudEvent, applied: set[str]) -> bool:
        before = event.sequence_before(self._types)
        if before is None:
            return False
        # Nothing but the place: the embedded server finds no row when more is asked of a partial index.
        place = {"source": event.source, "aggregate": event.subject, "sequence": before}
        row = await self._inbox.find_one(place, tx.session)
        return row is not None and row["_id"] not in applied and row.get("rebuilt") != self._run

    async def _apply_one(self, tx: Transaction, event: CloudEvent) -> None:
        handler = self._subscriptions[event.type].handler
        try:
            body = self._subscriptions.event_in(event)
            with standing_in({self._model: stand_in_of(self._model, self._run)}):
                await handler(tx, body)
        except Exception as error:
            if isinstance(error, PyMongoError) and is_passing(error):
                raise
            raise CannotBeMade(f"Event {event.id}: {type(error).__name__}: {error}") from error
        if tx.emitted or tx.afterwards:
            raise CannotBeMade(f"Event {event.id}: its handler does more than writing {self._model}.")

    async def _hold_lease(self, tx: Transaction, counted: Mapping[str, int]) -> None:
        """Commit only while this run is the one at work. Raises LeaseLost."""
        mine = {"_id": self._model, "run": self._run, "state": "building"}
        still = {"$set": {"until": self._ground.clock.now() + self.LEASE}, "$inc": dict(counted)}
        if not await self._rebuilds.update(mine, still, session=tx.session):
            raise LeaseLost

    async def _compare(self, *, change: bool) -> bool:
        """Put right each document that differs; whether any did. Without `change` only count them."""
        changed = 0
        after: str | None = None
        last: str | None = None
        while True:
            await self._read_on()  # so that little is left to do within the transaction
            began = self._ground.clock.now()

            async def work(
                tx: Transaction, after: str | None = after, last: str | None = last
            ) -> tuple[set[str], int, str | None, str | None]:
                late = await self._catch_up(tx)
                # What comes after the last document of now was made by what is right.
                last = last or await self._last(tx)
                differing, after = await self._compare_between(tx, after, last, change=change)
                await self._hold_lease(tx, {"events": len(late), "changed": differing})
                return late, differing, after, last

            late, differing, after, last = await self._ground.outbox.transaction(work)
            self._forget(late)
            self._since = began - LONGEST_COMMIT
            changed += differing
            await failpoint("rebuild.compared")
            if after is None:
                return change and changed > 0

    async def _catch_up(self, tx: Transaction) -> set[str]:
        """Apply what was applied to the model in use, as of this transaction's snapshot."""
        lately = self._not_made_again() | {"applied_at": {"$gte": self._since}}
        late = {str(row["_id"]) for row in await self._inbox.find(lately, fields=["_id"], session=tx.session)}
        if late - self._waiting.keys():
            await self._read()
        applied = await self._apply(tx, {key: event for key, event in self._waiting.items() if key in late})
        if missing := late - applied:
            raise CannotBeMade(f"The streams do not hold event {min(missing)}, which was applied.")
        return applied

    async def _last(self, tx: Transaction) -> str | None:
        """The greatest id of both sides."""
        sides = [await side.find_one({}, tx.session, [("_id", -1)]) for side in (self._made, self._used)]
        return max((row["_id"] for row in sides if row is not None), default=None)

    async def _compare_between(
        self, tx: Transaction, after: str | None, last: str | None, *, change: bool
    ) -> tuple[int, str | None]:
        """The next documents of both sides up to `last`: how many differ, and up to which id; None at the end."""
        if last is None:
            return 0, None
        between = {"_id": {"$lte": last} if after is None else {"$gt": after, "$lte": last}}
        made, used = [await self._next(side, between, tx) for side in (self._made, self._used)]
        until = min((max(side) for side in (made, used) if len(side) == DOCUMENTS), default=None)
        keys = [key for key in made.keys() | used.keys() if until is None or key <= until]
        differing = [key for key in keys if made.get(key) != used.get(key)]
        if change:
            for key in differing:
                if (right := made.get(key)) is None:
                    await self._used.delete({"_id": key}, tx.session)
                else:
                    await self._used.replace({"_id": key}, right, upsert=True, session=tx.session)
        return len(differing), until

    async def _next(self, side: Collection, between: Document, tx: Transaction) -> dict[str, Document]:
        rows = await side.find(between, sort=[("_id", 1)], limit=DOCUMENTS, session=tx.session)
        return {row["_id"]: row for row in rows}
