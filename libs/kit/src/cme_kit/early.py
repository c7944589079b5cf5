"""Events that arrive before an earlier one of their aggregate: they wait, follow a dead letter, or go over the gap."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cme_contracts import CloudEvent
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from cme_kit.dead_letters import DeadLetters, reason_behind
from cme_kit.subscriptions import Subscriptions

#: Waits for an event that another replica, or another stream, has still to bring: about 5 s in all.
EARLY_DELAYS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
#: How much longer while the broker says that earlier messages are out: a killed replica's come again after ACK_WAIT,
#: a failing one ends its schedule.
OUTSTANDING_SECONDS = 90.0


@dataclass(eq=False)
class Held:
    """A message in hand; `envelope` is None when no release can read it, for the `reason` given."""

    stream: str
    message: Msg
    lane: str
    envelope: CloudEvent | None = None
    reason: str = ""
    failures: int = 0
    early_waits: int = 0
    early_since: float | None = None
    over_gap: bool = False
    received: float = field(default_factory=time.perf_counter)


class EarlyEvents:
    """Decides what becomes of an event whose predecessor is missing."""

    def __init__(
        self, service: str, jetstream: JetStreamContext, subscriptions: Subscriptions, dead_letters: DeadLetters
    ) -> None:
        self._service = service
        self._jetstream = jetstream
        self._subscriptions = subscriptions
        self._dead_letters = dead_letters

    async def decide(
        self, held: Held, envelope: CloudEvent, sequence: int, in_hand: Callable[[str], int]
    ) -> float | str:
        """The seconds to wait, or the reason for which the event becomes a dead letter as well.

        `sequence` is the missing one's; `in_hand` counts the messages of a stream that this process holds. An event
        that has waited long enough is let over the gap (`held.over_gap`).
        """
        row = await self._dead_letters.row_of(envelope.source, envelope.subject, sequence)
        if row is not None and "discarded" not in row:
            return reason_behind(row["number"])
        if row is None:
            if held.early_waits < len(EARLY_DELAYS):
                held.early_waits += 1
                return EARLY_DELAYS[held.early_waits - 1]
            held.early_since = held.early_since or time.monotonic()
            in_time = time.monotonic() - held.early_since < OUTSTANDING_SECONDS
            if in_time and await self._earlier_are_outstanding(held, envelope, in_hand):
                return EARLY_DELAYS[-1]
        held.over_gap = True
        return 0.0

    async def _earlier_are_outstanding(self, held: Held, envelope: CloudEvent, in_hand: Callable[[str], int]) -> bool:
        """Whether the broker still has, or handed to another replica, what may be the missing event."""
        for stream in self._subscriptions.streams_from(envelope.source):
            seen = await self._jetstream.consumer_info(stream, self._service)
            with_others = (seen.num_ack_pending or 0) > in_hand(stream)
            if stream != held.stream:
                if with_others or seen.num_pending:
                    return True
            elif with_others and (seen.ack_floor is None or seen.ack_floor.stream_seq < _position(held) - 1):
                return True
        return False


def _position(held: Held) -> int:
    return int(held.message.metadata.sequence.stream)
