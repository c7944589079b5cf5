"""What the platform holds, read past it: databases, streams and consumers of a stack."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from cme_local.processes import SERVICES
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from cme_local.stack import Stack
from nats.aio.client import Client
from nats.js import JetStreamContext
from pymongo import AsyncMongoClient

LEDGER = "faults_ledger"
#: The services that apply OrganisationRegistered.
SUBSCRIBED = ("assessment", "credentials", "outreach")


@dataclass(frozen=True)
class Stores:
    """Connections of the experimenter's own, past every proxy."""

    mongo: AsyncMongoClient[dict[str, Any]]
    nats: Client
    jetstream: JetStreamContext
    #: (stream, name) of every consumer seen so far.
    consumers: set[tuple[str, str]] = field(default_factory=set)

    async def leader_of(self, stream: str) -> str:
        """The server that leads a stream. Raises NatsError while none does."""
        cluster = (await self.jetstream.stream_info(stream)).cluster
        if cluster is None or cluster.leader is None:
            raise nats.js.errors.ServiceUnavailableError(description=f"nobody leads {stream}")
        return cluster.leader

    async def organisations(self, run: str = "") -> list[tuple[str, str]]:
        """(name, id) of every organisation, or of those that one run registered."""
        wanted = {"name": {"$regex": f"^{run} "}} if run else {}
        rows = self.mongo["enrolment"]["organisations"].find(wanted, {"name": 1})
        return [(row["name"], row["_id"]) async for row in rows]

    async def applied(self) -> dict[str, dict[str, int]]:
        """By service, how often it applied the registration of each organisation."""
        counts: dict[str, dict[str, int]] = {}
        for service in SUBSCRIBED:
            rows = self.mongo[service][LEDGER].find({})
            counts[service] = {row["_id"].partition(" ")[2]: int(row["applied"]) async for row in rows}
        return counts

    async def took(self, run: str) -> list[float]:
        """Of each organisation that one run registered, the seconds from the commit to its last subscriber's."""
        ids = [record_id for _, record_id in await self.organisations(run)]
        first = {"aggregate": {"$in": ids}, "sequence": 1}
        begun = {row["aggregate"]: row["created"] async for row in self.mongo["enrolment"]["outbox"].find(first)}
        took = dict.fromkeys(ids, 0.0)
        for service in SUBSCRIBED:
            async for row in self.mongo[service]["inbox"].find({**first, "source": "/enrolment"}):
                seconds = (row["applied_at"] - begun[row["aggregate"]]).total_seconds()
                took[row["aggregate"]] = max(took[row["aggregate"]], seconds)
        return list(took.values())

    async def waiting(self) -> dict[str, int]:
        """What is still under way: unpublished rows by service, unapplied messages by consumer."""
        found: dict[str, int] = {}
        for service in SERVICES:
            found[f"outbox of {service}"] = await self.mongo[service]["outbox"].count_documents({"published": False})
        present: set[tuple[str, str]] = set()
        for stream in await self.jetstream.streams_info():
            name = stream.config.name or ""
            for consumer in await self.jetstream.consumers_info(name):
                present.add((name, consumer.name))
                found[f"{name} for {consumer.name}"] = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
        # A consumer that went away with its stream has everything before it.
        found |= {f"{name} for {consumer}, which is gone": 1 for name, consumer in self.consumers - present}
        self.consumers.update(present)
        return {what: n for what, n in found.items() if n}

    async def contradictions(self) -> list[str]:
        """Committed events that a subscriber's inbox lacks, gaps in an aggregate's numbers, in all records."""
        found: list[str] = []
        wanted: dict[str, set[str]] = {}
        for stream in await self.jetstream.streams_info():
            for consumer in await self.jetstream.consumers_info(stream.config.name or ""):
                subjects = consumer.config.filter_subjects or [consumer.config.filter_subject or ""]
                wanted.setdefault(consumer.name, set()).update(subjects)
        inboxes = {
            service: {str(row["_id"]) async for row in self.mongo[service]["inbox"].find({}, {"_id": 1})}
            for service in wanted
        }
        for owner in SERVICES:
            numbers: dict[str, list[int]] = {}
            async for row in self.mongo[owner]["outbox"].find({}, {"aggregate": 1, "sequence": 1, "nats_subject": 1}):
                numbers.setdefault(row["aggregate"], []).append(row["sequence"])
                found += [
                    f"event {row['_id']} of {owner} is not in the inbox of {service}"
                    for service, subjects in wanted.items()
                    if row["nats_subject"] in subjects and str(row["_id"]) not in inboxes[service]
                ]
            found += [f"{a} has gaps" for a, ns in numbers.items() if sorted(ns) != list(range(1, len(ns) + 1))]
        return found

    async def messages(self, stream: str, after: int = 0) -> AsyncIterator[tuple[str, bytes, dict[str, str]]]:
        """Every message of a stream that came after one: subject, body, headers."""
        state = (await self.jetstream.stream_info(stream)).state
        for sequence in range(max(state.first_seq, after + 1), state.last_seq + 1):
            try:
                message = await self.jetstream.get_msg(stream, sequence)
            except nats.js.errors.NotFoundError:
                continue
            yield message.subject or "", message.data or b"", dict(message.headers or {})


@asynccontextmanager
async def opened(stack: Stack) -> AsyncIterator[Stores]:
    """Connect to the engines of a running stack."""
    password = load_or_create(stack.data).nats_passwords[NATS_TOOL_USER]
    connection = await nats.connect(
        stack.urls["nats"].split(","),
        user=NATS_TOOL_USER,
        password=password,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        error_cb=_expected,
    )
    mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.urls["mongo"], timeoutMS=20_000, tz_aware=True)
    try:
        yield Stores(mongo, connection, connection.jetstream(timeout=10))
    finally:
        await mongo.close()
        await connection.close()


async def _expected(_: Exception) -> None:
    """The broker is away because an experiment took it away."""


def event_id(body: bytes) -> str:
    """The id of an event on the wire."""
    return str(json.loads(body)["id"])
