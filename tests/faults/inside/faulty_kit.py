"""What an experiment changes in the kit of a service's process."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import nats
from cme_contracts import Event
from cme_kit import consumers, mongo
from cme_kit.clock import SystemClock
from cme_kit.mongo import Collection, Database
from cme_kit.outbox import Outbox, Transaction

LEDGER = "faults_ledger"
_collection = Database.collection


class Refused(Exception):
    """A handler's failure until it is repaired."""


def keep_ledger() -> None:
    """Count each application of a registration in its own transaction; refuse the one that is to be refused."""
    subscribe = consumers.on
    refused = os.environ.get("FAULTS_REFUSE")

    def on(model: type[Event], handler: Callable[[Transaction, Any], Awaitable[None]], /, **options: Any) -> Any:
        async def counted(tx: Transaction, event: Event) -> None:
            if refused and getattr(event, "name", None) == refused:
                raise Refused(refused)
            await handler(tx, event)
            if mongo._stand_ins.get() is not None:
                return  # a read model is made again beside the one in use: no application
            about = getattr(event, "organisation_id", None)
            entry = {"_id": f"{type(event).__name__} {about}"}
            if type(event).__name__ == "OrganisationRegistered":
                rows = _collection(tx.outbox._database, LEDGER)
                await rows.update(entry, {"$inc": {"applied": 1}}, upsert=True, session=tx.session)

        return subscribe(model, counted, **options)

    consumers.on = on


def shift_clock(seconds: float) -> None:
    """Let this process's clock be ahead of the machine's."""
    now = SystemClock.now
    SystemClock.now = lambda clock: now(clock) + timedelta(seconds=seconds)


class _ForgetfulInbox(Collection):
    """Keeps nothing and finds nothing."""

    async def insert(self, *_: Any, **__: Any) -> None:
        return

    async def update(self, *_: Any, **__: Any) -> int:
        return 1


class _OutboxBeside(Collection):
    """Publishes what it is given by itself, a moment later, as a service without an outbox does."""

    async def insert_many(self, documents: Any, session: Any = None) -> None:
        for row in documents:
            task = asyncio.create_task(_publish(row))
            _publishing.add(task)
            task.add_done_callback(_publishing.discard)


_publishing: set[asyncio.Task[None]] = set()


async def _publish(row: dict[str, Any]) -> None:
    await asyncio.sleep(0.3)
    user, password = os.environ["CME_NATS_USER"], os.environ["CME_NATS_PASSWORD"]
    try:
        async with asyncio.timeout(1):
            connection = await nats.connect(
                os.environ["CME_NATS_URL"],
                user=user,
                password=password,
                inbox_prefix=f"_INBOX_{user}",
                allow_reconnect=False,
            )
            await connection.jetstream().publish(row["nats_subject"], row["body"].encode())
            await connection.close()
    except (OSError, TimeoutError, nats.errors.Error):
        print("published beside the transaction in vain:", row["_id"])


def _replace(name: str, kind: type[Collection]) -> None:
    def collection(database: Database, wanted: str) -> Collection:
        found = _collection(database, wanted)
        return kind(found._native) if wanted == name else found

    Database.collection = collection


def _without_outbox() -> None:
    _replace("outbox", _OutboxBeside)
    # The relay hears of no commit: what it is handed over would be published without ever having been stored.
    Outbox._hand_over = lambda _outbox, _rows: None


BREAK = {"inbox": lambda: _replace("inbox", _ForgetfulInbox), "outbox": _without_outbox}
