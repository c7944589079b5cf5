"""Dead letters: messages that a service could not apply, kept with their reason until somebody decides.

The stream holds the messages; a row for each event among them keeps the order: what comes after a dead letter of its
aggregate becomes one as well, and a discarded one is a gap that everybody knows of.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from cme_contracts import CloudEvent
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError
from pydantic import ValidationError

from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.mongo import Database, Document, Index
from cme_kit.problems import NotFound
from cme_kit.streams import dead_letters_of
from cme_kit.telemetry import current_traceparent

DEAD_LETTERS = "dead_letters"
INDEXES = (
    Index(DEAD_LETTERS, ("source", "aggregate", "sequence")),
    Index(DEAD_LETTERS, ("number",)),
)
MAX_REASON = 500
BROKER_PAUSE_SECONDS = 0.5
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Letter:
    """One dead letter as the stream holds it."""

    number: int
    subject: str
    body: bytes
    headers: dict[str, str]
    #: None when the bytes are no event.
    envelope: CloudEvent | None

    @property
    def reason(self) -> str:
        """Why it could not be applied."""
        return self.headers.get("Cme-Reason", "")

    @property
    def place(self) -> str:
        """The stream that it came from, and where it is there."""
        return f"{self.headers.get('Cme-Stream')}#{self.headers.get('Cme-Sequence')}"

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return int(self.headers.get("Cme-Attempts", "0"))

    @property
    def trace_id(self) -> str | None:
        """The trace in which it failed."""
        parts = self.headers.get("Cme-Trace", "").split("-")
        return parts[1] if len(parts) == 4 else None  # noqa: PLR2004  (W3C trace context, section 3.2)

    @property
    def buried_at(self) -> datetime:
        """When it was given up, UTC."""
        return datetime.fromisoformat(self.headers["Cme-Buried-At"])


class LetterGone(NotFound):
    """It was a dead letter and is none any more."""

    code = "dead_letter_gone"

    def __init__(self, number: int) -> None:
        super().__init__("dead letter")
        self.detail = f"Dead letter {number} is gone: it was redriven or discarded already, or its time was up."


class DeadLetters:
    """Buries messages and finds them again."""

    def __init__(self, service: str, database: Database, jetstream: JetStreamContext, clock: Clock) -> None:
        self._service = service
        self._stream = dead_letters_of(service)
        self._rows = database.collection(DEAD_LETTERS)
        self._jetstream = jetstream
        self._clock = clock

    async def bury(self, message: Msg, envelope: CloudEvent | None, reason: str, attempts: int) -> None:
        """Store a message as a dead letter, waiting for the broker as long as it takes; then end its delivery.

        `envelope` is given when the message is an event of whom it claims to be. Every step may be repeated after a
        crash: the stream knows the message by its place, the row is the event's.
        """
        reason = " ".join(reason.split())[:MAX_REASON]
        number = await self._store(message, reason, attempts)
        await failpoint("dead_letter.stored")
        if envelope is not None:
            row = {
                "source": envelope.source,
                "aggregate": envelope.subject,
                "sequence": envelope.sequence,
                "number": number,
                "reason": reason,
                "buried_at": self._clock.now(),
            }
            await self._rows.update({"_id": str(envelope.id)}, {"$set": row}, upsert=True)
        await message.term()
        log.error("dead letter", number=number, subject=message.subject, reason=reason, attempts=attempts)

    async def _store(self, message: Msg, reason: str, attempts: int) -> int:
        place = message.metadata
        kept = {key: value for key, value in (message.headers or {}).items() if not key.startswith(("Nats-", "Cme-"))}
        headers = {
            **kept,
            "Nats-Msg-Id": f"{self._service}:{place.stream}:{place.sequence.stream}",
            "Cme-Reason": reason,
            "Cme-Attempts": str(attempts),
            "Cme-Consumer": self._service,
            "Cme-Trace": current_traceparent() or kept.get("traceparent", ""),
            "Cme-Stream": place.stream,
            "Cme-Sequence": str(place.sequence.stream),
            "Cme-Buried-At": self._clock.now().isoformat(),
        }
        subject = f"cme.dlq.{self._service}.{message.subject}"
        while True:
            try:
                return (await self._jetstream.publish(subject, message.data, timeout=5, headers=headers)).seq
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("the dead letter is not stored yet", subject=subject, error=type(error).__name__)
                await asyncio.sleep(BROKER_PAUSE_SECONDS)

    async def row_of(self, source: str, aggregate: str, sequence: int) -> Document | None:
        """The row of the event with this sequence, when it is a dead letter or was discarded."""
        return await self._rows.find_one({"source": source, "aggregate": aggregate, "sequence": sequence})

    async def behind(self, letter: Letter) -> list[int]:
        """The numbers of the later dead letters of its aggregate, in the aggregate's order."""
        if letter.envelope is None:
            return []
        later = {
            "source": letter.envelope.source,
            "aggregate": letter.envelope.subject,
            "sequence": {"$gt": letter.envelope.sequence},
            "discarded": None,
        }
        return [int(row["number"]) for row in await self._rows.find(later, sort=[("sequence", 1)])]

    async def find(self, number: int) -> Letter:
        """A dead letter. Raises NotFound, LetterGone, or nats' errors when the broker does not answer."""
        try:
            return self._letter(await self._jetstream.get_msg(self._stream, number))
        except NotFoundError:
            last = (await self._jetstream.stream_info(self._stream)).state.last_seq
            raise (LetterGone(number) if number <= last else NotFound("dead letter")) from None

    async def list_after(self, number: int, limit: int) -> list[Letter]:
        """Up to `limit` letters after a number. Raises nats' errors when the broker does not answer."""
        letters: list[Letter] = []
        while len(letters) < limit:
            try:
                found = await self._jetstream.get_msg(
                    self._stream, number + 1, subject=f"cme.dlq.{self._service}.>", next=True
                )
            except NotFoundError:
                break
            letters.append(self._letter(found))
            number = letters[-1].number
        return letters

    async def remove(self, letter: Letter) -> None:
        """Forget a letter whose event is applied; one that is gone already is fine."""
        await self._delete_message(letter)
        if letter.envelope is not None:
            await self._rows.delete({"_id": str(letter.envelope.id), "number": letter.number})

    async def discard(self, letter: Letter, reason: str) -> None:
        """Give a letter up for good; the place of its event counts as a known gap from now on.

        What is no event gets a row as well, under its place in the stream it came from.
        """
        key = letter.place if letter.envelope is None else str(letter.envelope.id)
        discarded = {"number": letter.number, "discarded": {"reason": reason, "at": self._clock.now()}}
        await self._rows.update({"_id": key}, {"$set": discarded}, upsert=True)
        await self._delete_message(letter)

    async def _delete_message(self, letter: Letter) -> None:
        try:
            await self._jetstream.delete_msg(self._stream, letter.number)
        except APIError as error:
            # Deleted by somebody else meanwhile, or not deleted.
            try:
                await self._jetstream.get_msg(self._stream, letter.number)
            except NotFoundError:
                return
            raise error from None

    def _letter(self, found: RawStreamMsg) -> Letter:
        subject = (found.subject or "").removeprefix(f"cme.dlq.{self._service}.")
        body = found.data or b""
        headers: dict[str, Any] = found.headers or {}
        return Letter(found.seq or 0, subject, body, headers, _envelope(body))


def _envelope(body: bytes) -> CloudEvent | None:
    try:
        return CloudEvent.model_validate_json(body)
    except ValidationError:
        return None


def reason_behind(number: int) -> str:
    """Why an event is a dead letter that comes after another one of its aggregate."""
    return f"behind dead letter {number}"
