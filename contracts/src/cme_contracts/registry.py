"""The registry of event types: one declaration per event, refused at import when it is not sound."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

TYPE_PATTERN = re.compile(
    r"^com\.clustereducation\.(?P<service>[a-z]+)\.(?P<aggregate>[a-z_]+)\.(?P<verb>[a-z_]+)\.v(?P<version>[1-9]\d*)$"
)
#: Past participles that do not end in "ed".
IRREGULAR_PARTICIPLES = frozenset({"begun", "held", "kept", "made", "sent", "withdrawn"})
PERSONAL_SUBJECT_TOKEN = "personal"


class Event(BaseModel):
    """The body of an event: frozen facts and ids. Readers ignore fields that a newer producer added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True)
class EventType:
    """What the registry knows of one event.

    `subject` is the NATS subject; events with personal data travel on `cme.personal.<service>.>`,
    a stream of their own with a short maximum age.
    """

    type: str
    subject: str
    service: str
    aggregate: str
    version: int
    personal_data: bool
    #: False for what is told by webhooks only, of the webhooks themselves.
    on_bus: bool
    model: builtins.type[Event]

    @property
    def schema_file(self) -> str:
        """The name of the committed JSON Schema."""
        return f"{self.type}.json"


class DeclarationError(TypeError):
    """An event declaration that the registry refuses."""


EventModel = TypeVar("EventModel", bound=Event)
_by_type: dict[str, EventType] = {}
_by_model: dict[type[Event], EventType] = {}


def event(
    type_: str, *, personal_data: bool = False, on_bus: bool = True
) -> Callable[[type[EventModel]], type[EventModel]]:
    """Register a frozen model as the body of the event `type_`.

    Raises DeclarationError for a duplicate type, a missing version, a verb that is no past participle,
    or a field without a description.
    """
    match = TYPE_PATTERN.match(type_)
    if match is None:
        raise DeclarationError(f"{type_}: write com.clustereducation.<service>.<aggregate>.<past participle>.v<number>")
    verb = match["verb"]
    if not verb.endswith("ed") and verb not in IRREGULAR_PARTICIPLES:
        raise DeclarationError(f"{type_}: an event is a past participle, {verb!r} is not")
    if type_ in _by_type:
        raise DeclarationError(f"{type_}: declared twice")

    def register(model: type[EventModel]) -> type[EventModel]:
        undescribed = [name for name, field in model.model_fields.items() if not field.description]
        if undescribed:
            raise DeclarationError(f"{type_}: describe {', '.join(undescribed)}")
        tail = type_.removeprefix(f"com.clustereducation.{match['service']}.")
        root = f"cme.{PERSONAL_SUBJECT_TOKEN}" if personal_data else "cme"
        declared = EventType(
            type=type_,
            subject=f"{root}.{match['service']}.{tail}",
            service=match["service"],
            aggregate=match["aggregate"],
            version=int(match["version"]),
            personal_data=personal_data,
            on_bus=on_bus,
            model=model,
        )
        _by_type[type_] = declared
        _by_model[model] = declared
        return model

    return register


def event_type_of(model: type[Event]) -> EventType:
    """The declaration of an event model. Raises KeyError for a model that is not registered."""
    return _by_model[model]


def find_event_type(type_: str) -> EventType | None:
    """The declaration of a type name, or None when this release does not know it."""
    return _by_type.get(type_)


def all_event_types() -> list[EventType]:
    """Every declared event, in the order of their names."""
    import cme_contracts.catalogue  # noqa: F401, PLC0415  (importing it is what registers them)

    return [_by_type[name] for name in sorted(_by_type)]
