"""Webhooks and their deliveries as the API shows them."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from cme_contracts.envelope import SCHEMA_BASE
from cme_contracts.examples import example_of
from cme_kit.mongo import Document

from gateway.webhooks.domain import Attempt, Cause, Delivery, Message, State, Webhook
from gateway.webhooks.offering import OFFERED
from gateway.webhooks.schemas import (
    AttemptView,
    DeliveryView,
    DeliveryWithAttempts,
    EventTypeView,
    KeyView,
    ReplayView,
    WebhookView,
)


def webhook(shown: Webhook, now: datetime) -> WebhookView:
    """A webhook with the keys that sign now."""
    keys = [
        KeyView(
            key_id=key.key_id,
            signing=key.signing,
            public_key=key.public,
            created_at=key.created,
            ends_at=key.ends,
        )
        for key in shown.keys
        if key.signs(now)
    ]
    paused = shown.paused_until if shown.paused_until is not None and shown.paused_until > now else None
    return WebhookView(
        webhook_id=shown.webhook_id,
        client_id=shown.client_id,
        url=shown.url,
        event_types=sorted(shown.event_types),
        description=shown.description,
        signing=shown.signing,
        keys=keys,
        status=shown.status,
        disabled_reason=shown.disabled_reason,
        disabled_at=shown.disabled_at,
        failing_since=shown.failing_since,
        paused_until=paused,
        created_at=shown.created,
        revision=shown.revision,
    )


def delivery(shown: Delivery) -> DeliveryView:
    """A delivery without its log."""
    return DeliveryView(
        message_id=shown.message_id,
        webhook_id=shown.webhook_id,
        type=shown.type,
        state=shown.state,
        cause=shown.cause,
        attempts=len(shown.attempts),
        last_status=shown.attempts[-1].status if shown.attempts else None,
        next_attempt_at=shown.due,
        created_at=shown.created,
    )


def with_attempts(shown: Delivery, message: Message | None) -> DeliveryWithAttempts:
    """A delivery with its body and log."""
    log = [_attempt(attempt) for attempt in shown.attempts]
    return DeliveryWithAttempts(**delivery(shown).model_dump(), body=message.body if message else None, log=log)


def pending(webhook_id: str, message: Message, cause: Cause, now: datetime) -> DeliveryView:
    """A delivery that is about to begin."""
    return delivery(Delivery(webhook_id, message.message_id, message.type, State.PENDING, cause, now, due=now))


def replay(row: Document) -> ReplayView:
    """A replay."""
    return ReplayView(
        replay_id=row["_id"],
        webhook_id=row["webhook_id"],
        since=row["since"],
        until=row["until"],
        include_delivered=row["include_delivered"],
        state=row["state"],
        scheduled=row["scheduled"],
        created_at=row["created"],
    )


@cache
def event_types() -> tuple[EventTypeView, ...]:
    """Every event that is offered, as to somebody who may be told of none."""
    return tuple(
        EventTypeView(
            type=type_,
            summary=(offer.event_type.model.__doc__ or "").strip().splitlines()[0],
            scope=offer.scope,
            available=False,
            schema_url=SCHEMA_BASE + offer.event_type.schema_file,
            example=example_of(offer.event_type).model_dump(mode="json", exclude_none=True),
        )
        for type_, offer in sorted(OFFERED.items())
    )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        at=attempt.at,
        duration_ms=attempt.milliseconds,
        cause=attempt.cause,
        request_headers=attempt.headers,
        status=attempt.status,
        error=attempt.error,
        response_body=attempt.response,
        trace_id=attempt.trace_id,
    )
