"""Bodies of the webhooks' endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from cme_contracts.examples import example_of
from cme_kit.schemas import Moment, Schema, example
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from gateway.webhooks.addresses import LONGEST_URL
from gateway.webhooks.domain import Cause, Reason, Signing, State, Status
from gateway.webhooks.offering import OFFERED


def _offered(value: str) -> str:
    if value not in OFFERED:
        raise ValueError("there is no such event; /gateway/v1/webhooks/event-types lists them")
    return value


def _each_once(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError("name each event once")
    return value


EventTypeName = Annotated[str, AfterValidator(_offered), WithJsonSchema({"type": "string", "enum": sorted(OFFERED)})]
EventTypes = Annotated[
    list[EventTypeName],
    Field(min_length=1, max_length=100, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_each_once),
]
Url = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)]
Description = Annotated[str, StringConstraints(max_length=200)]
_SIGNING = "v1a: Ed25519, you hold the public key; v1: HMAC-SHA256 with a secret that is shown once"


class WebhookRequest(Schema):
    """A webhook to make."""

    model_config = example(
        url="https://partner.example/cme-events",
        event_types=["com.clustereducation.credentials.credential.issued.v1"],
        description="Badges for our records",
    )

    url: Url = Field(description="Where to send: https, on the public Internet")
    event_types: EventTypes = Field(description="The events to be told of")
    description: Description = Field(default="", description="For you")
    signing: Signing = Field(default=Signing.ASYMMETRIC, description=_SIGNING)


class WebhookChange(Schema):
    """What to change of a webhook; what is left out stays."""

    model_config = example(status="disabled")

    url: Url | None = Field(default=None, description="Where to send from now on")
    event_types: EventTypes | None = Field(default=None, description="The events to be told of from now on")
    description: Description | None = Field(default=None, description="For you")
    status: Status | None = Field(default=None, description="disabled: nothing is sent; active: begin again")


class Rotation(Schema):
    """A new key for a webhook."""

    model_config = example(signing="v1a")

    signing: Signing | None = Field(default=None, description=f"As now when left out. {_SIGNING}")


class TestRequest(Schema):
    """A sample to send."""

    model_config = example(type="com.clustereducation.credentials.credential.issued.v1")

    __test__ = False  # no test of pytest's

    type: EventTypeName = Field(description="The event to send a sample of")
    data: dict[str, JsonValue] = Field(
        default={}, max_length=50, description="Fields of the event that are not to be as in the example"
    )

    @model_validator(mode="after")
    def _fits_the_event(self) -> Self:
        event_type = OFFERED[self.type].event_type
        if unknown := sorted(set(self.data) - set(event_type.model.model_fields)):
            raise ValueError(f"{self.type} has no {', '.join(unknown)}")
        try:
            example_of(event_type, changes=self.data)
        except ValidationError as error:
            wrong = [f"data.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ValueError("; ".join(wrong)) from None
        return self


class ReplayRequest(Schema):
    """A time from which events are told again."""

    model_config = example(since="2026-11-20T00:00:00Z", until="2026-11-21T00:00:00Z")

    since: Moment = Field(description="The first moment; events are kept for 30 days")
    until: Moment | None = Field(default=None, description="The last moment; now when left out")
    include_delivered: bool = Field(default=False, strict=True, description="Also what was delivered before")


class KeyView(BaseModel):
    """A key that signs deliveries."""

    key_id: str
    signing: Signing
    public_key: str | None = Field(description="`whpk_…` to verify v1a with; null for v1")
    created_at: datetime
    ends_at: datetime | None = Field(description="When it stops to sign, after a rotation")


class WebhookView(BaseModel):
    """A webhook."""

    webhook_id: str
    client_id: str
    url: str
    event_types: list[str]
    description: str
    signing: Signing = Field(description="How the newest key signs")
    keys: list[KeyView] = Field(description="All keys that sign now, the newest last")
    status: Status
    disabled_reason: Reason | None = Field(description="owner, failing (for 5 days), or gone (answered 410)")
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="Since when no delivery has succeeded; null when all is well")
    paused_until: datetime | None = Field(description="Nothing is sent before, because the receiver asked for it")
    created_at: datetime
    revision: int = Field(description="The number in its ETag")


class WebhookWithSecret(WebhookView):
    """A webhook with the secret of its new key."""

    signing_secret: str | None = Field(description="`whsec_…` of a v1 key, shown here only; null for v1a")


class AttemptView(BaseModel):
    """One request to the receiver."""

    at: datetime
    duration_ms: int
    cause: Cause
    request_headers: dict[str, str] = Field(description="What identified and signed it")
    status: int | None = Field(description="The receiver's answer; null when none came")
    error: str | None = Field(description="Why none came")
    response_body: str = Field(description="The first 4 KiB of the answer")
    trace_id: str | None


class DeliveryView(BaseModel):
    """An event for a webhook."""

    message_id: str = Field(description="The event's id and the `webhook-id` of every attempt")
    webhook_id: str
    type: str
    state: State
    cause: Cause = Field(description="Why it is sent: event, test, resend or replay")
    attempts: int = Field(description="Requests made so far")
    last_status: int | None = Field(description="Answer to the last one; null when none came")
    next_attempt_at: datetime | None
    created_at: datetime


class DeliveryWithAttempts(DeliveryView):
    """A delivery with its body and what came of each attempt."""

    body: str | None = Field(description="What is sent, exactly; null once its 30 days are over")
    log: list[AttemptView] = Field(description="Every attempt, oldest first")


class EventTypeView(BaseModel):
    """An event that webhooks may tell of."""

    type: str
    summary: str
    scope: str | None = Field(description="The scope that a client needs to be told of it; null for none")
    available: bool = Field(description="Whether this client has the scope")
    schema_url: str = Field(description="JSON Schema of `data`")
    example: dict[str, Any] = Field(description="A sample, as a test sends it")


class EventTypeList(BaseModel):
    """All of them."""

    items: list[EventTypeView]


class ReplayView(BaseModel):
    """A replay and how far it is."""

    replay_id: str
    webhook_id: str
    since: datetime
    until: datetime
    include_delivered: bool
    state: Literal["running", "done"]
    scheduled: int = Field(description="Deliveries that it made due so far")
    created_at: datetime


class Triggered(BaseModel):
    """A sample that was sent to all webhooks that listen for it."""

    message_id: str
    type: str
    webhook_ids: list[str] = Field(description="Those that it is sent to; who listens is told as well")
