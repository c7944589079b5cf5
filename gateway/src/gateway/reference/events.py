"""The events as their reference page shows them: who may be told, what is in them, and a sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from cme_contracts.documents import event_schema
from cme_contracts.examples import example_of

from gateway.reference.schemas import Field, Schemas
from gateway.webhooks.offering import OFFERED, Audience, Offer

PREFIX = "com.clustereducation."


@dataclass(frozen=True)
class EventEntry:
    """One event."""

    type: str
    #: The type without what all have in front.
    name: str
    service: str
    summary: str
    audience: Audience
    #: The scope that it needs.
    scope: str | None
    fields: list[Field]
    sample: str


@cache
def entries() -> tuple[EventEntry, ...]:
    """The offered events by their type."""
    return tuple(_entry(OFFERED[type_]) for type_ in sorted(OFFERED))


def _entry(offer: Offer) -> EventEntry:
    kind = offer.event_type
    schema = event_schema(kind)
    sample = example_of(kind).model_dump(mode="json", exclude_none=True)
    return EventEntry(
        type=kind.type,
        name=kind.type.removeprefix(PREFIX),
        service=kind.service,
        summary=(kind.model.__doc__ or "").strip().splitlines()[0],
        audience=offer.audience,
        scope=offer.scope,
        fields=list(Schemas(schema.get("$defs", {})).fields(schema)),
        sample=json.dumps(sample, indent=1, ensure_ascii=False),
    )
