"""What a webhook is, when its deliveries are tried again, and when it is disabled (Standard Webhooks 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

#: Waiting time before each attempt ("Deliverability and reliability").
SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
#: A waiting time is this part longer or shorter by chance, so that what failed together is not repeated together.
JITTER = 0.1
#: The longest that a receiver may ask us to wait.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: How long nothing is sent to a receiver that says it is overloaded and not how long.
PAUSE = timedelta(seconds=30)
#: A receiver that failed for so long without one success is disabled, once a delivery failed repeatedly.
FAILING = timedelta(days=5)
FAILED_REPEATEDLY = 3
#: How long both keys sign after a rotation.
OVERLAP = timedelta(hours=24)
#: Messages and deliveries are kept for so long.
KEPT = timedelta(days=30)
OVERLOADED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


class Signing(StrEnum):
    """How deliveries are signed, by the version of the signature."""

    #: Ed25519: the receiver holds the public key only.
    ASYMMETRIC = "v1a"
    #: HMAC-SHA256 with a secret that both hold.
    SYMMETRIC = "v1"


class Status(StrEnum):
    """Whether anything is sent."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Reason(StrEnum):
    """Why a webhook is disabled."""

    OWNER = "owner"
    FAILING = "failing"
    #: The receiver answered 410.
    GONE = "gone"


class State(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    #: Every attempt of the schedule failed.
    FAILED = "failed"
    #: The webhook or its client was disabled before, or the message is not kept any longer.
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Why something is delivered."""

    EVENT = "event"
    TEST = "test"
    RESEND = "resend"
    REPLAY = "replay"


@dataclass(frozen=True)
class SigningKey:
    """A key of one webhook; what signs is sealed."""

    key_id: str
    signing: Signing
    sealed: str
    #: `whpk_…`; None for a shared secret.
    public: str | None
    created: datetime
    #: When it stops to sign, because another one replaces it.
    ends: datetime | None = None

    def signs(self, now: datetime) -> bool:
        """Whether deliveries carry a signature of it."""
        return self.ends is None or now < self.ends


@dataclass(frozen=True)
class Webhook:
    """A receiver's address and what it wants to be told."""

    webhook_id: str
    client_id: str
    url: str
    event_types: frozenset[str]
    description: str
    keys: tuple[SigningKey, ...]
    created: datetime
    status: Status = Status.ACTIVE
    disabled_reason: Reason | None = None
    disabled_at: datetime | None = None
    #: Since the first failure after the last success.
    failing_since: datetime | None = None
    #: Nothing is sent before: the receiver asked for it.
    paused_until: datetime | None = None
    #: How often it was disabled for its receiver's sake: the sequence of the events about it.
    disablings: int = 0
    revision: int = 1

    @property
    def signing(self) -> Signing:
        """How it signs from now on."""
        return self.keys[-1].signing


@dataclass(frozen=True)
class Message:
    """What is delivered: the bytes of an event, and who may see it."""

    message_id: str
    type: str
    body: str
    time: datetime
    traceparent: str | None = None
    #: Organisations that it concerns.
    organisations: frozenset[str] = frozenset()
    #: Records whose organisations were not known yet when it came.
    awaits: frozenset[str] = frozenset()
    #: The only client that it is for.
    client_id: str | None = None
    #: The only webhook that it is for.
    webhook_id: str | None = None
    test: bool = False
    #: Whether it happened in the sandbox, where everything is made up.
    sandbox: bool = False


@dataclass(frozen=True)
class Attempt:
    """One request to a receiver, and what came of it."""

    at: datetime
    milliseconds: int
    cause: Cause
    #: What was sent besides the body: `webhook-timestamp`, `webhook-signature`.
    headers: dict[str, str]
    #: None when no answer came.
    status: int | None
    #: Why there is no answer.
    error: str | None
    #: The beginning of the answer's body.
    response: str
    retry_after: timedelta | None
    trace_id: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True)
class Delivery:
    """One message for one webhook."""

    webhook_id: str
    message_id: str
    type: str
    state: State
    cause: Cause
    created: datetime
    #: Attempts of the present schedule that were made.
    step: int = 0
    #: When the next attempt is due; while one is made, when it counts as lost.
    due: datetime | None = None
    #: Who makes an attempt now.
    claim: str | None = None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What follows from an attempt."""

    state: State
    due: datetime | None
    failing_since: datetime | None
    paused_until: datetime | None
    disable: Reason | None = None


def judge(webhook: Webhook, step: int, attempt: Attempt, now: datetime, chance: float) -> Verdict:
    """What becomes of a delivery and its webhook after its attempt number `step`, counted from 0.

    `chance` is between -1 and 1 and decides the jitter.
    """
    if attempt.succeeded:
        return Verdict(State.DELIVERED, None, None, None)
    failing_since = webhook.failing_since or now
    if attempt.status == HTTPStatus.GONE:
        return Verdict(State.FAILED, None, failing_since, None, Reason.GONE)
    if now - failing_since >= FAILING and step + 1 >= FAILED_REPEATEDLY:
        return Verdict(State.FAILED, None, failing_since, None, Reason.FAILING)
    asked = min(attempt.retry_after, LONGEST_RETRY_AFTER) if attempt.retry_after is not None else None
    overloaded = attempt.status in OVERLOADED or asked is not None
    paused_until = now + (PAUSE if asked is None else asked) if overloaded else None
    if step + 1 >= len(SCHEDULE):
        return Verdict(State.FAILED, None, failing_since, paused_until)
    due = now + SCHEDULE[step + 1] * (1 + JITTER * chance)
    if asked is not None:
        due = max(due, now + asked)
    return Verdict(State.PENDING, due, failing_since, paused_until)
