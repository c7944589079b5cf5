"""The envelope of every event: CloudEvents 1.0 in structured JSON, with a trace context and a sequence."""

from __future__ import annotations

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
    data: dict[str, Any] = Field(description="The body: an instance of `dataschema`")
