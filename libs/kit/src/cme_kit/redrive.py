"""Redriving a dead letter: applied by the same once-only code, in the order of its aggregate."""

from __future__ import annotations

from dataclasses import dataclass, field

from cme_contracts import CloudEvent

from cme_kit.dead_letters import DeadLetters, Letter, reason_behind
from cme_kit.inbox import Early, Inbox
from cme_kit.mongo import PyMongoError, is_passing
from cme_kit.problems import NotFound
from cme_kit.subscriptions import Subscriptions, Unreadable


@dataclass(frozen=True)
class Redriven:
    """What became of a dead letter; `reason` is why it failed again, `also` are those behind it that went along."""

    number: int
    reason: str | None = None
    also: list[int] = field(default_factory=list)


class Redrive:
    """Applies dead letters once their cause is gone."""

    def __init__(self, letters: DeadLetters, inbox: Inbox, subscriptions: Subscriptions) -> None:
        self._letters = letters
        self._inbox = inbox
        self._subscriptions = subscriptions

    async def redrive(self, number: int) -> Redriven:
        """Apply a dead letter, then those behind it in order until one fails; what is applied is no letter any more.

        Raises NotFound, and the errors of a database or a broker that does not answer.
        """
        letter = await self._letters.find(number)
        if (reason := await self._apply(letter)) is not None:
            return Redriven(number, reason)
        behind = await self._letters.behind(letter)
        await self._letters.remove(letter)
        also = []
        for later in behind:
            try:
                follower = await self._letters.find(later)
            except NotFound:  # redriven by somebody else meanwhile
                continue
            if await self._apply(follower) is not None:
                break
            await self._letters.remove(follower)
            also.append(later)
        return Redriven(number, also=also)

    async def _apply(self, letter: Letter) -> str | None:
        """Apply a letter; why it cannot be applied, or None."""
        try:
            envelope = self._subscriptions.open(letter.body, letter.subject)
            try:
                await self._inbox.apply(envelope)
            except Early as early:
                if (reason := await self._blocked(envelope, early)) is not None:
                    return reason
                await self._inbox.apply(envelope, over_gap=True)
        except Unreadable as error:
            return str(error)
        except Exception as error:
            if isinstance(error, PyMongoError) and is_passing(error):
                raise
            return f"{type(error).__name__}: {error}"
        return None

    async def _blocked(self, envelope: CloudEvent, early: Early) -> str | None:
        row = await self._letters.row_of(envelope.source, envelope.subject, early.sequence)
        return reason_behind(row["number"]) if row and "discarded" not in row else None
