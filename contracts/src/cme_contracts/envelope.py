"""The envelope of every event: CloudEvents 1.0 in structured JSON, with a trace context and a sequence."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

CONTENT_TYPE = "application/cloudevents+json"
SCHEMA_BASE = "https://clustereducation.example/schemas/"


class CloudEvent(BaseModel):
    """One event on the wire (CloudEvents 1.0 section 3; the distributed tracing extension).

    `id` is a UUIDv7 that equals the outbox row's id and the `Nats-Msg-Id` header; `sequence` counts the
    events of one aggregate (`subject`) from 1 without gaps.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID = Field(description="UUIDv7 of the event")
    source: str = Field(description="The service that states the fact, such as /enrolment")
    type: str = Field(description="The registered type, with its version")
    subject: str = Field(description="The id of the aggregate that the event is about")
    time: datetime = Field(description="When it was committed, UTC")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str = Field(description="URL of the committed JSON Schema of `data`")
    sequence: int = Field(ge=1, description="Number of this event among those of its aggregate")
    traceparent: str | None = Field(default=None, description="W3C trace context of the write")
    predecessors: str | None = Field(
        default=None,
        pattern=r"^[^\s=]+=[1-9][0-9]*( [^\s=]+=[1-9][0-9]*)*$",
        description="For each event type stated about the aggregate before, its last sequence: `<type>=<n> <type>=<n>`",
    )
    test: Literal[True] | None = Field(
        default=None, description="Present in a sample that a receiver asked for: nothing of it happened"
    )
    data: dict[str, Any] = Field(description="The body: an instance of `dataschema`")

    def sequence_before(self, types: Container[str]) -> int | None:
        """The last sequence before this event among events of `types`: what a subscriber of those applies first."""
        if self.predecessors is None:
            return None
        before = [sequence for type_, sequence in _parsed(self.predecessors) if type_ in types]
        return max(before, default=None)


def predecessors_after(predecessors: str | None, type_: str, sequence: int) -> str:
    """The `predecessors` of the event that follows one with these predecessors, this type and this sequence."""
    last = dict(_parsed(predecessors)) | {type_: sequence}
    return " ".join(f"{name}={number}" for name, number in sorted(last.items()))


def _parsed(predecessors: str | None) -> list[tuple[str, int]]:
    pairs = (pair.split("=") for pair in (predecessors or "").split())
    return [(type_, int(number)) for type_, number in pairs]
