"""Everything that the auditor looks at, as plain records of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

Document = Mapping[str, Any]

RECOGNISED = "com.clustereducation.assessment.credit.recognised.v1"
COMPLETED = "com.clustereducation.assessment.programme.completed.v1"
ISSUED = "com.clustereducation.credentials.credential.issued.v1"
REVOKED = "com.clustereducation.credentials.credential.revoked.v1"
ERASED = "com.clustereducation.enrolment.person.erased.v1"
#: The events whose bodies are compared with the records they speak of; of others only the envelope is read.
SPEAKING = (RECOGNISED, COMPLETED, ISSUED, REVOKED, ERASED)


@dataclass(frozen=True)
class Message:
    """A message of an event stream; without an id it is no event."""

    number: int
    subject: str
    event_id: str | None


@dataclass(frozen=True)
class Stream:
    """An event stream. What is numbered above `known_until` came while the databases were read."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: float
    known_until: int
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Subscription:
    """A service's durable consumer of a stream. Up to `settled` each message was applied or buried."""

    service: str
    stream: str
    subjects: tuple[str, ...]
    settled: int


@dataclass(frozen=True)
class Records:
    """The platform as of `at`."""

    at: datetime
    #: By service and collection.
    documents: Mapping[str, Mapping[str, list[Document]]]
    streams: tuple[Stream, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    #: By service, the events in its dead-letter stream: by id, and by place (`STREAM#7`) for what is no event.
    buried: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, service: str, collection: str) -> list[Document]:
        """All records of a collection."""
        return self.documents.get(service, {}).get(collection, [])

    @property
    def services(self) -> list[str]:
        """Every service with an outbox or an inbox."""
        return sorted(self.documents)

    @cached_property
    def outbox(self) -> dict[str, Document]:
        """Every outbox row of every service, by event id."""
        return {row["_id"]: {**row, "service": name} for name in self.services for row in self.of(name, "outbox")}

    @cached_property
    def inboxes(self) -> dict[str, dict[str, Document]]:
        """By service, its inbox rows by event id."""
        return {name: {row["_id"]: row for row in self.of(name, "inbox")} for name in self.services}

    def events(self, type_: str) -> list[Document]:
        """The outbox rows of a type whose body is there, with it as `data`."""
        return [row for row in self.outbox.values() if row["type"] == type_ and "data" in row]

    def not_arrived(self, service: str, event_id: str) -> bool:
        """Whether an event neither was applied by a service nor lies among its dead letters: it is on its way."""
        return event_id not in self.inboxes.get(service, {}) and event_id not in self.buried.get(service, frozenset())


def matches(subject: str, filter_: str) -> bool:
    """Whether a NATS subject fits a filter with `*` for one token and `>` for the rest."""
    tokens, wanted = subject.split("."), filter_.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(tokens) > place
        if place >= len(tokens) or token not in {"*", tokens[place]}:
            return False
    return len(tokens) == len(wanted)
