"""Reading the platform's databases and streams, without writing anything anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, RawStreamMsg, StreamInfo
from nats.js.errors import NotFoundError
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from cme_local.check.records import SPEAKING, Document, Message, Records, Stream, Subscription
from cme_local.processes import SERVICES

#: Replies come here and nowhere else, so that the auditor's user cannot read those of others.
REPLIES = "_INBOX_AUDITOR"
#: Messages that are asked for at once.
AT_ONCE = 32
Fields = tuple[str, ...]
OUTBOX: Fields = ("aggregate", "sequence", "type", "nats_subject", "created", "published", "message_id")
#: What is read of each service besides outbox and inbox. No names, addresses or texts where a flag is enough.
COLLECTIONS: Mapping[str, Mapping[str, Fields]] = {
    "enrolment": {
        "calls": ("seats", "seats_left", "offers_open", "held", "starts_on"),
        "offers": ("call_id", "country", "state", "enrolment_id", "reason", "person_id"),
        "learners": ("offer_id", "call_id", "country", "state", "withdrawal", "person_id"),
        "applications": ("person_id", "motivation", "scores"),
        "people": (),
    },
    "curriculum": {"reviews": ("invited", "comments", "votes")},
    "assessment": {
        "credits": (
            *("enrolment_id", "person_id", "unit_id", "state", "achieved", "points_targeted"),
            *("assessed", "validated", "recognised", "feedback", "statement"),
        ),
        "learners": ("person_id", "recognised", "completed_on", "erased"),
        "submissions": ("enrolment_id", "title"),
        "contents": ("_id",),
        "appeals": ("person_id", "grounds"),
    },
    "credentials": {
        "awards": ("enrolment_id", "unit_id", "kind", "state", "edition", "credential_id"),
        "credentials": (),
        "status_lists": (),
        "people": (),
    },
    "outreach": {
        "sends": ("contact_id", "address_hash", "purpose", "state", "rule_id", "claimed_at"),
        "consents": ("contact_id", "purpose", "state", "given_at", "recorded_at"),
        "contacts": ("consents", "person_id"),
        "suppressions": (),
        "touchpoints": ("person_id",),
    },
    "gateway": {"audit_entries": (), "audit_heads": ()},
}


@dataclass(frozen=True)
class Sources:
    """Open connections to the database and to the bus."""

    mongo: AsyncMongoClient[dict[str, Any]]
    jetstream: JetStreamContext

    async def read(self) -> Records:
        """Everything, as of one moment.

        Streams and consumers are read before the databases, which have what those promise; what is published
        meanwhile is read afterwards.
        """
        listed = [info for info in await self.jetstream.streams_info() if _has(info, "cme.")]
        streams = {_name(info): await self._messages(info) for info in listed if not _has(info, "cme.dlq.")}
        subscriptions = await self._subscriptions([info for info in listed if not _has(info, "cme.dlq.")])
        at = datetime.now(UTC)
        documents = await self._documents({*SERVICES, *COLLECTIONS, *(one.service for one in subscriptions)})
        discarded = {
            service: frozenset(str(row["_id"]) for row in found.pop("dead_letters") if "discarded" in row)
            for service, found in documents.items()
        }
        return Records(
            at=at,
            documents=documents,
            streams=tuple([await self._whole(info, streams[_name(info)]) for info in listed if _name(info) in streams]),
            subscriptions=tuple(subscriptions),
            buried={
                _service(info): await self._buried(info) | discarded.get(_service(info), frozenset())
                for info in listed
                if _has(info, "cme.dlq.")
            },
        )

    async def marks(self) -> dict[str, int]:
        """The last number of every stream, and how far each consumer has come."""
        found: dict[str, int] = {}
        for info in await self.jetstream.streams_info():
            found[_name(info)] = info.state.last_seq
            for consumer in await self.jetstream.consumers_info(_name(info)):
                found[f"{_name(info)} {consumer.name}"] = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
        return found

    async def _documents(self, services: set[str]) -> dict[str, dict[str, list[Document]]]:
        """The databases in one snapshot: a transaction that only reads.

        Not a snapshot session, which the embedded server accepts and does not honour.
        """
        found: dict[str, dict[str, list[Document]]] = {}
        async with (
            self.mongo.start_session() as session,
            await session.start_transaction(read_concern=ReadConcern("snapshot")),
        ):
            for service in sorted(services):
                found[service] = {
                    "outbox": await self._outbox(service, session),
                    "inbox": await self._all(service, "inbox", (), session),
                    "dead_letters": await self._all(service, "dead_letters", ("discarded",), session),
                }
                for collection, fields in COLLECTIONS.get(service, {}).items():
                    found[service][collection] = await self._all(service, collection, fields, session)
        return found

    async def _outbox(self, service: str, session: AsyncClientSession) -> list[Document]:
        """Every row without its body; the body's data of those that speak of records; whether it was emptied."""
        rows = await self._all(service, "outbox", OUTBOX, session)
        bodies = self.mongo[service]["outbox"].find({"type": {"$in": list(SPEAKING)}}, {"body": 1}, session=session)
        data = {row["_id"]: json.loads(row["body"])["data"] async for row in bodies if row["body"]}
        empty = self.mongo[service]["outbox"].find({"body": ""}, {"_id": 1}, session=session)
        emptied = {row["_id"] async for row in empty}
        return [
            {**row, "emptied": row["_id"] in emptied} | ({"data": data[row["_id"]]} if row["_id"] in data else {})
            for row in rows
        ]

    async def _all(self, service: str, name: str, fields: Fields, session: AsyncClientSession) -> list[Document]:
        cursor = self.mongo[service][name].find({}, list(fields) or None, session=session)
        return [row async for row in cursor]

    async def _messages(self, info: StreamInfo) -> list[Message]:
        return [_message(raw) for raw in await self._raw(info, info.state.first_seq, info.state.last_seq)]

    async def _whole(self, before: StreamInfo, messages: list[Message]) -> Stream:
        """A stream with what came since it was read."""
        now = await self.jetstream.stream_info(_name(before))
        later = await self._raw(now, before.state.last_seq + 1, now.state.last_seq)
        return Stream(
            name=_name(before),
            subjects=tuple(before.config.subjects or ()),
            max_age_s=float(before.config.max_age or 0),
            known_until=before.state.last_seq,
            messages=(*messages, *(_message(raw) for raw in later)),
        )

    async def _raw(self, info: StreamInfo, first: int, last: int) -> list[RawStreamMsg]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> RawStreamMsg | None:
            async with slots:
                try:
                    return await self.jetstream.get_msg(_name(info), number)
                except NotFoundError:  # deleted, or ended by age
                    return None

        found = await asyncio.gather(*(one(number) for number in range(max(first, 1), last + 1)))
        return [message for message in found if message is not None]

    async def _subscriptions(self, streams: list[StreamInfo]) -> list[Subscription]:
        return [
            Subscription(
                service=consumer.config.durable_name,
                stream=_name(info),
                subjects=tuple(consumer.config.filter_subjects or [consumer.config.filter_subject or ">"]),
                settled=_settled(consumer, info.state.last_seq),
            )
            for info in streams
            for consumer in await self.jetstream.consumers_info(_name(info))
            if consumer.config.durable_name
        ]

    async def _buried(self, info: StreamInfo) -> frozenset[str]:
        """Events of a dead-letter stream, by id where they have one and by their place in their stream."""
        known: set[str] = set()
        for raw in await self._raw(info, info.state.first_seq, info.state.last_seq):
            if event_id := _event_id(raw.data):
                known.add(event_id)
            headers = raw.headers or {}
            known.add(f"{headers.get('Cme-Stream')}#{headers.get('Cme-Sequence')}")
        return frozenset(known)


@asynccontextmanager
async def opened(mongo_url: str, nats_url: str, nats_user: str, nats_password: str) -> AsyncIterator[Sources]:
    """Connect to the engines. Raises PyMongoError, nats' Error or OSError."""
    errors: list[Exception] = []

    async def on_error(error: Exception) -> None:
        errors.append(error)

    connection = await nats.connect(
        nats_url.split(","),
        name="auditor",
        user=nats_user,
        password=nats_password,
        inbox_prefix=REPLIES,
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0.2,
        connect_timeout=5,
        error_cb=on_error,
    )
    mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        mongo_url, tz_aware=True, timeoutMS=60_000, serverSelectionTimeoutMS=5_000, appname="auditor"
    )
    try:
        yield Sources(mongo, connection.jetstream(timeout=10))
    finally:
        await mongo.close()
        await connection.close()


def _settled(consumer: ConsumerInfo, last: int) -> int:
    """Up to which message a consumer has nothing open."""
    if not consumer.num_pending and not consumer.num_ack_pending:
        return last
    return consumer.ack_floor.stream_seq if consumer.ack_floor else 0


def _has(info: StreamInfo, prefix: str) -> bool:
    return all(subject.startswith(prefix) for subject in info.config.subjects or ["-"])


def _name(info: StreamInfo) -> str:
    return info.config.name or ""


def _service(info: StreamInfo) -> str:
    """The service whose dead letters a stream holds: its subject is `cme.dlq.<service>.>`."""
    return (info.config.subjects or ["..."])[0].split(".")[2]


def _message(raw: RawStreamMsg) -> Message:
    return Message(raw.seq or 0, raw.subject or "", _event_id(raw.data))


def _event_id(body: bytes | None) -> str | None:
    try:
        envelope = json.loads(body or b"")
    except ValueError:  # the message is no event, and the invariants say so
        return None
    return envelope["id"] if isinstance(envelope, dict) and isinstance(envelope.get("id"), str) else None
