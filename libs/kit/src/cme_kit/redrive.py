"""Redriving a dead letter: applied by the same once-only code, in the order of its aggregate."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cme_contracts import CloudEvent

from cme_kit.dead_letters import DeadLetters, Letter, reason_behind
from cme_kit.inbox import Applied, Early, Inbox
from cme_kit.mongo import PyMongoError, is_passing
from cme_kit.problems import NotFound
from cme_kit.subscriptions import Subscriptions, Unreadable


@dataclass(frozen=True)
class Redriven:
    """What became of a dead letter; `reason` is why it failed again, `also` are those behind it that went along."""

    number: int
    reason: str | None = None
    also: list[int] = field(default_factory=list)


class Prospect(StrEnum):
    """What redriving a dead letter would do."""

    WOULD_APPLY = "would_apply"
    WOULD_FAIL = "would_fail"
    #: It would only be removed.
    APPLIED_BEFORE = "applied_before"


@dataclass(frozen=True)
class Rehearsed:
    """What redriving a dead letter would do now; `reason` is why it would fail, `behind` come after it."""

    number: int
    prospect: Prospect
    reason: str | None
    behind: list[int]


class Redrive:
    """Applies dead letters once their cause is gone."""

    def __init__(self, letters: DeadLetters, inbox: Inbox, subscriptions: Subscriptions) -> None:
        self._letters = letters
        self._inbox = inbox
        self._subscriptions = subscriptions

    async def rehearse(self, number: int) -> Rehearsed:
        """Apply a dead letter in a transaction that is not committed.

        Raises what `redrive` raises.
        """
        letter = await self._letters.find(number)
        outcome = await self._attempt(letter, commit=False)
        behind = await self._letters.behind(letter)
        if isinstance(outcome, str):
            return Rehearsed(number, Prospect.WOULD_FAIL, outcome, behind)
        prospect = Prospect.APPLIED_BEFORE if outcome is Applied.BEFORE else Prospect.WOULD_APPLY
        return Rehearsed(number, prospect, None, behind)

    async def redrive(self, number: int) -> Redriven:
        """Apply a dead letter, then those behind it in order until one fails; what is applied is no letter any more.

        Raises NotFound, and the errors of a database or a broker that does not answer.
        """
        letter = await self._letters.find(number)
        outcome = await self._attempt(letter)
        if isinstance(outcome, str):
            return Redriven(number, outcome)
        behind = await self._letters.behind(letter)
        await self._letters.remove(letter)
        also = []
        for later in behind:
            try:
                follower = await self._letters.find(later)
            except NotFound:  # redriven by somebody else meanwhile
                continue
            if isinstance(await self._attempt(follower), str):
                break
            await self._letters.remove(follower)
            also.append(later)
        return Redriven(number, also=also)

    async def _attempt(self, letter: Letter, *, commit: bool = True) -> Applied | str:
        """Apply a letter; why it cannot be applied, as a sentence."""
        try:
            envelope = self._subscriptions.open(letter.body, letter.subject)
            try:
                return await self._inbox.apply(envelope, commit=commit)
            except Early as early:
                if (reason := await self._blocked(envelope, early)) is not None:
                    return reason
                return await self._inbox.apply(envelope, over_gap=True, commit=commit)
        except Unreadable as error:
            return str(error)
        except Exception as error:
            if isinstance(error, PyMongoError) and is_passing(error):
                raise
            return f"{type(error).__name__}: {error}"

    async def _blocked(self, envelope: CloudEvent, early: Early) -> str | None:
        row = await self._letters.row_of(envelope.source, envelope.subject, early.sequence)
        return reason_behind(row["number"]) if row and "discarded" not in row else None
