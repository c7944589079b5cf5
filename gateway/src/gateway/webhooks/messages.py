"""What is told, kept once for all webhooks: for deliveries, for listeners, and to be told again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cme_kit.mongo import Database, Document, Index, Session

from gateway.clients.domain import Client
from gateway.webhooks.domain import KEPT, Message

MESSAGES = "webhook_messages"
INDEXES = (
    Index(MESSAGES, ("stored",), expire_seconds=int(KEPT.total_seconds())),
    Index(MESSAGES, ("awaits",)),
    Index(MESSAGES, ("client_id", "stored")),
)


class MessageRepository:
    """Messages by their id, which grows with time (UUIDv7)."""

    def __init__(self, database: Database) -> None:
        self._messages = database.collection(MESSAGES)

    async def add(self, message: Message, now: datetime, session: Session) -> None:
        """Store a new message."""
        await self._messages.insert(_row(message) | {"stored": now}, session=session)

    async def find(self, message_id: str) -> Message | None:
        """The message with an id."""
        row = await self._messages.find_one({"_id": message_id})
        return _message(row) if row else None

    async def awaiting(self, record_id: str, session: Session) -> list[Message]:
        """Those whose organisations are not known until this record's are."""
        return [_message(row) for row in await self._messages.find({"awaits": record_id}, session=session)]

    async def know(self, message: Message, session: Session) -> None:
        """Keep the organisations that became known."""
        change: Document = {"$set": {"organisations": sorted(message.organisations)}}
        if message.awaits:
            change["$set"]["awaits"] = sorted(message.awaits)
        else:
            change["$unset"] = {"awaits": ""}
        await self._messages.update({"_id": message.message_id}, change, session=session)

    async def page(self, after: str, until: str, limit: int, session: Session | None = None) -> list[Message]:
        """Messages after an id, up to and without another one, in the order of their ids."""
        rows = await self._messages.find(
            {"_id": {"$gt": after, "$lt": until}}, sort=[("_id", 1)], limit=limit, session=session
        )
        return [_message(row) for row in rows]

    async def missed(self, client: Client, types: Iterable[str], after: str, limit: int) -> list[Message]:
        """Messages after an id that a client can be among those to be told of, in the order of their ids."""
        rows = await self._messages.find(_missed(client, types, after), sort=[("_id", 1)], limit=limit)
        return [_message(row) for row in rows]

    async def count_missed(self, client: Client, types: Iterable[str], after: str) -> int:
        """How many there are."""
        return await self._messages.count(_missed(client, types, after))

    async def tests_since(self, client_id: str, moment: datetime) -> int:
        """How many tests a client asked for since then."""
        return await self._messages.count({"client_id": client_id, "stored": {"$gt": moment}, "test": True})


def first_id_of(moment: datetime) -> str:
    """Below every UUIDv7 that is made at a moment or later (RFC 9562 section 5.7)."""
    milliseconds = max(0, (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(milliseconds=1))
    text = f"{milliseconds:012x}"
    return f"{text[:8]}-{text[8:]}-"


def _missed(client: Client, types: Iterable[str], after: str) -> Document:
    public = {"client_id": None, "sandbox": client.sandbox}
    return {
        "_id": {"$gt": after},
        "type": {"$in": sorted(types)},
        "webhook_id": None,
        "$or": [public, {"client_id": client.client_id}],
    }


def _row(message: Message) -> Document:
    row: Document = {
        "_id": message.message_id,
        "type": message.type,
        "body": message.body,
        "time": message.time,
        "traceparent": message.traceparent,
        "organisations": sorted(message.organisations),
        "client_id": message.client_id,
        "webhook_id": message.webhook_id,
        "test": message.test,
        "sandbox": message.sandbox,
    }
    return row | ({"awaits": sorted(message.awaits)} if message.awaits else {})


def _message(row: Document) -> Message:
    return Message(
        message_id=row["_id"],
        type=row["type"],
        body=row["body"],
        time=row["time"],
        traceparent=row["traceparent"],
        organisations=frozenset(row["organisations"]),
        awaits=frozenset(row.get("awaits") or ()),
        client_id=row["client_id"],
        webhook_id=row["webhook_id"],
        test=row["test"],
        sandbox=row.get("sandbox", False),
    )
