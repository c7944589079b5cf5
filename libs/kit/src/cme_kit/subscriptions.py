"""What a service subscribes to, and what a message must be to be one of those events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cme_contracts import CloudEvent, Event, EventType, event_type_of, find_event_type
from pydantic import ValidationError

from cme_kit.outbox import Transaction
from cme_kit.streams import stream_of

EventModel = TypeVar("EventModel", bound=Event)
Handler = Callable[[Transaction, Any], Awaitable[None]]


class NotYet(Exception):
    """A handler needs a fact that has not arrived here: try again on the schedule."""


class Unreadable(Exception):
    """A message that no retry will make readable."""


@dataclass(frozen=True)
class Subscription:
    """One row of a service's table: an event and the function that applies it."""

    event_type: EventType
    handler: Handler
    serial: bool = False
    model: str | None = None
    #: The handler gets the event as it came, in its envelope.
    whole: bool = False


def on(
    event: type[EventModel],
    handler: Callable[[Transaction, EventModel], Awaitable[None]],
    *,
    serial: bool = False,
    model: str | None = None,
) -> Subscription:
    """Subscribe `handler(tx, event)` to an event. It writes with `tx.session` only; it may run more than once.

    `serial` handlers run one at a time: those that all write one document would otherwise only conflict and repeat.
    `model` names the collection that the handlers of this model alone write, from their events and nothing else, so
    that it can be made again from the streams.
    """
    return Subscription(event_type_of(event), handler, serial, model)


def on_whole(event_type: EventType, handler: Callable[[Transaction, CloudEvent], Awaitable[None]]) -> Subscription:
    """Subscribe `handler(tx, envelope)` to an event of any kind; for who passes events on and reads few of them."""
    return Subscription(event_type, handler, whole=True)


class Subscriptions:
    """The table of a service, by the types and the streams of its events."""

    def __init__(self, rows: Sequence[Subscription]) -> None:
        self._by_type = {row.event_type.type: row for row in rows}
        self.streams: dict[str, list[str]] = {}
        #: The rows of each read model that can be made again.
        self.models: dict[str, list[Subscription]] = {}
        for row in rows:
            self.streams.setdefault(stream_of(row.event_type), []).append(row.event_type.subject)
            if row.model is not None:
                self.models.setdefault(row.model, []).append(row)

    def __contains__(self, type_: object) -> bool:
        return type_ in self._by_type

    def __getitem__(self, type_: str) -> Subscription:
        return self._by_type[type_]

    def streams_from(self, source: str) -> Iterator[str]:
        """The streams that bring events of one source, such as `/enrolment`."""
        of_source = (row.event_type for row in self._by_type.values() if source == f"/{row.event_type.service}")
        return iter({stream_of(event_type) for event_type in of_source})

    def open(self, body: bytes, subject: str) -> CloudEvent:
        """The envelope of a message. Raises Unreadable when it is none, or not one from where it claims to be."""
        try:
            envelope = CloudEvent.model_validate_json(body)
        except ValidationError as error:
            raise Unreadable(f"not a CloudEvent: {error.error_count()} errors") from error
        declared = find_event_type(envelope.type)
        if declared is None or declared.type not in self._by_type:
            raise Unreadable(f"unknown type {envelope.type}")
        if envelope.source != f"/{declared.service}" or subject != declared.subject:
            raise Unreadable(f"{envelope.type} claimed by {envelope.source} on {subject}")
        return envelope

    def event_in(self, envelope: CloudEvent) -> Event:
        """The body of an envelope that `open` gave. Raises Unreadable when it does not fit its type."""
        try:
            return self._by_type[envelope.type].event_type.model.model_validate(envelope.data)
        except ValidationError as error:
            raise Unreadable(f"body does not fit {envelope.type}: {error.error_count()} errors") from error
