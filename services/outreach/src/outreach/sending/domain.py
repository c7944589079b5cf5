"""The life of one send: a row per address and campaign, claimed before the dialogue and confirmed after it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from outreach.consents.domain import Purpose


class SendState(StrEnum):
    """Where a send is. `in_doubt` was interrupted between claim and confirmation; only a person moves it on."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    IN_DOUBT = "in_doubt"


class HandoverResult(StrEnum):
    """What the relay said to a mail."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    NOT_STARTED = "not_started"  # the connection broke before the content was offered
    UNKNOWN = "unknown"  # it broke after: the relay may have the mail


@dataclass(frozen=True)
class Handover:
    """The end of an SMTP dialogue."""

    result: HandoverResult
    reply: str


class Send(BaseModel):
    """One address in one campaign."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    send_id: str
    campaign_id: str
    contact_id: str
    cluster_id: str
    address_hash: str
    purpose: Purpose
    country: str | None
    language: str
    state: SendState
    rule_id: str
    message_id: str
    reply: str | None = None
    attempts: int = 0
    not_before: datetime | None = None
    claim_id: str | None = None
    claimed_at: datetime | None = None
    finished_at: datetime | None = None
    settlement: dict[str, Any] | None = None


#: Waits before the next attempt after a temporary refusal; after the last one the send has failed.
RETRY_WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))


@dataclass(frozen=True)
class Next:
    """The state after a handover."""

    state: SendState
    not_before: datetime | None = None


def after_handover(result: HandoverResult, attempts: int, now: datetime) -> Next:
    """What becomes of a send; `attempts` counts this one."""
    match result:
        case HandoverResult.ACCEPTED:
            return Next(SendState.SENT)
        case HandoverResult.REFUSED:
            return Next(SendState.FAILED)
        case HandoverResult.UNKNOWN:
            return Next(SendState.IN_DOUBT)
        case HandoverResult.DEFERRED | HandoverResult.NOT_STARTED:
            if attempts > len(RETRY_WAITS):
                return Next(SendState.FAILED)
            wait = RETRY_WAITS[attempts - 1] if result is HandoverResult.DEFERRED else timedelta(seconds=1)
            return Next(SendState.QUEUED, now + wait)


def is_finished(counts: Mapping[str, int]) -> bool:
    """A campaign is finished when no send will change any more; one in doubt may be queued again by a person."""
    return not any(counts.get(state) for state in (SendState.QUEUED, SendState.SENDING, SendState.IN_DOUBT))
