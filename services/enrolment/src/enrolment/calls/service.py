"""Announce calls, change their window, add seats."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from weakref import WeakValueDictionary

from cme_contracts.enrolment import CallOpened
from cme_kit.clock import Clock
from cme_kit.http import Paging, stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from enrolment.calls.domain import Call, Quota
from enrolment.calls.repository import CallRepository
from enrolment.calls.schemas import CallView, NewCall
from enrolment.programmes.repository import ProgrammeRepository


class ProgrammeNotPublished(Conflict):
    """No such published version is known here."""

    code = "programme_not_published"


class AlreadySelected(Conflict):
    """The selection was made."""

    code = "already_selected"


class WindowEndsBeforeItBegins(Unprocessable):
    """A call closes after it opens."""

    code = "window_ends_before_it_begins"


class Calls:
    """Calls for applications, and whose turn it is to change the seats of one."""

    def __init__(self, calls: CallRepository, programmes: ProgrammeRepository, clock: Clock) -> None:
        self._calls = calls
        self._programmes = programmes
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def in_turn(self, call_id: str) -> AsyncIterator[None]:
        """One after another in this process for one call.

        The call's document decides who gets a seat; waiting here only spares the losers of its write conflicts from
        running again and again when many answer at once. Other replicas are held off by the conflicts alone.
        """
        turn = self._turns.setdefault(call_id, asyncio.Lock())
        async with turn:
            yield

    async def announce(self, tx: Transaction, new: NewCall) -> CallView:
        """Announce a call. Raises ProgrammeNotPublished."""
        if await self._programmes.find(new.programme_id, new.programme_version, tx.session) is None:
            raise ProgrammeNotPublished(
                f"Version {new.programme_version} of {new.programme_id} is not known as published here. "
                "Publish it, or try again in a moment."
            )
        call = Call(
            call_id=new_id("call"),
            cohort_id=new_id("coh"),
            seats_left=new.seats,
            quotas=[Quota(**quota.model_dump()) for quota in new.quotas],
            **new.model_dump(exclude={"quotas"}),
        )
        await self._calls.add(call, tx.session)
        await tx.emit(call.call_id, CallOpened(**{key: getattr(call, key) for key in CallOpened.model_fields}))
        return self.view(call)

    async def reschedule(self, tx: Transaction, call_id: str, revision: int, closes_at: datetime) -> CallView:
        """Move the end of the window, also to close the call now. Raises AlreadySelected; 412 when changed since."""
        call = await self.require(tx, call_id)
        if call.selection is not None:
            raise AlreadySelected("The selection was made; the window of this call no longer matters.")
        if closes_at <= call.opens_at:
            raise WindowEndsBeforeItBegins(f"The call opens at {call.opens_at.isoformat()}; close it after that.")
        changed = await self._calls.reschedule(call_id, revision, closes_at, tx.session)
        if changed is None:
            raise stale()
        return self.view(changed)

    async def get(self, call_id: str) -> CallView:
        """One call. Raises NotFound."""
        if (call := await self._calls.find(call_id)) is None:
            raise NotFound("call")
        return self.view(call)

    async def page(self, paging: Paging) -> list[CallView]:
        """A page of calls and one more, when there is one."""
        return [self.view(call) for call in await self._calls.page(paging.after, paging.limit + 1)]

    async def require(self, tx: Transaction, call_id: str) -> Call:
        """A call as this transaction sees it. Raises NotFound."""
        if (call := await self._calls.find(call_id, tx.session)) is None:
            raise NotFound("call")
        return call

    def view(self, call: Call) -> CallView:
        """The public view of a call now."""
        return CallView.of(call, self._clock.now())
