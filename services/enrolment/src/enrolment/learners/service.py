"""Show learners, and record that one leaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_contracts.enrolment import LearnerWithdrawn
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.mongo import Document
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from enrolment.calls.repository import CallRepository
from enrolment.calls.service import Calls
from enrolment.learners.domain import Withdrawal
from enrolment.learners.repository import LearnerRepository
from enrolment.learners.schemas import LearnerView, NewWithdrawal
from enrolment.offers.service import Offers

READS_ALL = "enrolment.learners:read"


class AlreadyWithdrawn(Conflict):
    """The learner left before."""

    code = "already_withdrawn"


class WithdrawnInFuture(Unprocessable):
    """A withdrawal is recorded on or after its day."""

    code = "withdrawn_in_future"


class Learners:
    """The learners of all cohorts."""

    def __init__(
        self,
        learners: LearnerRepository,
        calls: Calls,
        call_repository: CallRepository,
        offers: Offers,
        clock: Clock,
    ) -> None:
        self._learners = learners
        self._calls = calls
        self._call_repository = call_repository
        self._offers = offers
        self._clock = clock

    @asynccontextmanager
    async def in_turn(self, enrolment_id: str) -> AsyncIterator[None]:
        """One after another for the call of this learner. Raises NotFound."""
        if (learner := await self._learners.find(enrolment_id)) is None:
            raise NotFound("learner")
        async with self._calls.in_turn(learner.call_id):
            yield

    async def get(self, enrolment_id: str, principal: Principal) -> LearnerView:
        """A learner, for themself, their home organisation and those who read all. Raises NotFound."""
        learner = await self._learners.find(enrolment_id)
        reads_all = principal.may(READS_ALL)
        if learner is None or not (
            reads_all or learner.person_id == principal.subject or learner.organisation_id == principal.organisation_id
        ):
            raise NotFound("learner")
        return LearnerView.of(learner, with_note=reads_all)

    async def page(self, cohort_id: str | None, paging: Paging) -> list[LearnerView]:
        """A page of the learners of a cohort, or of all, and one more, when there is one."""
        filter_: Document = {"cohort_id": cohort_id} if cohort_id else {}
        found = await self._learners.page(filter_, paging.after, paging.limit + 1)
        return [LearnerView.of(learner, with_note=True) for learner in found]

    async def page_of_person(self, principal: Principal, paging: Paging) -> list[LearnerView]:
        """A page of the caller's own enrolments and one more, when there is one."""
        found = await self._learners.page({"person_id": principal.subject}, paging.after, paging.limit + 1)
        return [LearnerView.of(learner, with_note=False) for learner in found]

    async def withdraw(
        self, tx: Transaction, enrolment_id: str, new: NewWithdrawal, principal: Principal
    ) -> LearnerView:
        """Record that a learner leaves. Before the cohort starts, the seat goes to the waiting list.

        Raises WithdrawnInFuture or AlreadyWithdrawn.
        """
        now = self._clock.now()
        if new.withdrawn_on > now.date():
            raise WithdrawnInFuture("Record a withdrawal on its day or after.")
        withdrawal = Withdrawal(recorded_by=principal.subject, recorded_at=now, **new.model_dump())
        learner = await self._learners.withdraw(enrolment_id, withdrawal, tx.session)
        if learner is None:
            raise AlreadyWithdrawn("This learner has left already.")
        await tx.emit(
            enrolment_id,
            LearnerWithdrawn(
                enrolment_id=enrolment_id,
                person_id=learner.person_id,
                cohort_id=learner.cohort_id,
                reason_code=new.reason_code.value,
                withdrawn_on=new.withdrawn_on,
            ),
        )
        call = await self._calls.require(tx, learner.call_id)
        if call.frees_seat(new.withdrawn_on):
            freed = await self._call_repository.free_seat(call.call_id, learner.country, tx.session)
            assert freed is not None  # calls are never deleted
            await self._offers.promote(tx, freed)
        return LearnerView.of(learner, with_note=principal.may(READS_ALL))
