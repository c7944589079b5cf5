"""Appeals: lodged by learners, decided by people who did not assess; upheld ones amend the credit."""

from __future__ import annotations

from cme_contracts.assessment import MarkAmended
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound

from assessment.appeals.domain import (
    AlreadyAppealed,
    AlreadyDecided,
    Appeal,
    AppealState,
    Decision,
    check_decision,
)
from assessment.appeals.repository import AppealRepository
from assessment.appeals.schemas import AppealView, NewAppeal, NewDecision
from assessment.credits.domain import (
    AppealOpen,
    Credit,
    CreditState,
    Mark,
    PersonNeeded,
    WrongState,
    amend_outcomes,
    check_actor,
    check_day,
    is_achieved,
    superseded,
)
from assessment.credits.repository import CreditRepository
from assessment.evidence.domain import SubmissionState
from assessment.evidence.repository import SubmissionRepository
from assessment.learners.domain import has_duty, may_read, oversees, owns
from assessment.learners.repository import LearnerRepository
from assessment.plans.repository import PlanRepository


class Appeals:
    """The use cases of appeals."""

    def __init__(
        self,
        appeals: AppealRepository,
        credit_records: CreditRepository,
        submissions: SubmissionRepository,
        learners: LearnerRepository,
        plans: PlanRepository,
        clock: Clock,
    ) -> None:
        self._appeals = appeals
        self._credits = credit_records
        self._submissions = submissions
        self._learners = learners
        self._plans = plans
        self._clock = clock

    async def lodge(self, tx: Transaction, principal: Principal, credit_id: str, body: NewAppeal) -> AppealView:
        """Appeal against the marks of an assessed unit; validation waits for the decision.

        Raises NotFound, WrongState, AppealOpen or AlreadyAppealed.
        """
        credit = await self._credits.find(credit_id, tx.session)
        if credit is None or not owns(principal, credit.person_id):
            raise NotFound("credit")
        if credit.state is not CreditState.ASSESSED:
            raise WrongState(f"This credit is {credit.state}; marks can be appealed against until they are validated.")
        if credit.open_appeal_id is not None:
            raise AppealOpen("Your appeal against these marks waits for its decision.")
        if await self._appeals.exists(credit_id, credit.attempt, tx.session):
            raise AlreadyAppealed("These marks were appealed against once, and decided.")
        appeal = Appeal(
            appeal_id=new_id("apl"),
            credit_id=credit_id,
            attempt=credit.attempt,
            enrolment_id=credit.enrolment_id,
            person_id=credit.person_id,
            plan_id=credit.plan_id,
            grounds=body.grounds,
            state=AppealState.OPEN,
            lodged_at=self._clock.now(),
        )
        # Validation writes the same document: it finds the appeal, or the appeal finds the validation.
        await self._credits.replace(credit.model_copy(update={"open_appeal_id": appeal.appeal_id}), tx.session)
        await self._appeals.add(appeal, tx.session)
        return AppealView.of(appeal)

    async def decide(self, tx: Transaction, principal: Principal, appeal_id: str, body: NewDecision) -> AppealView:
        """Uphold an appeal with amended marks, or dismiss it.

        Raises NotFound, PersonNeeded, SeparationOfDuties, AlreadyDecided, DecisionDoesNotFit, UnfitMarks or
        DateOutOfOrder.
        """
        appeal = await self._appeals.find(appeal_id, tx.session)
        if appeal is None or not await self._decides(principal, appeal):
            raise NotFound("appeal")
        if not principal.is_person:
            raise PersonNeeded("An appeal is decided by a person.")
        # Before the credit is read, so that an assessment of new evidence comes wholly before or after.
        await self._learners.lock(appeal.enrolment_id, tx.session)
        credit = await self._credits.find(appeal.credit_id, tx.session)
        assert credit is not None  # credits are never removed
        check_actor(principal.subject, appeal.person_id, [credit.assessed])
        if appeal.state is not AppealState.OPEN:
            raise AlreadyDecided(f"This appeal is {appeal.state} already.")
        marks = [Mark.model_validate(mark.model_dump()) for mark in body.marks]
        check_decision(upheld=body.upheld, marks=marks)
        check_day("decided_on", body.decided_on, self._clock.today(), credit.last_day)
        decision = Decision(
            upheld=body.upheld,
            reason=body.reason,
            marks=marks,
            decided_by=principal.subject,
            institution_id=principal.organisation_id,
            decided_on=body.decided_on,
        )
        decided = await self._appeals.decide(appeal, decision, tx.session)
        if body.upheld:
            await self._amend(tx, credit, decided, marks)
        else:
            closed = {"open_appeal_id": None, "appeal_decided_on": body.decided_on}
            await self._credits.replace(credit.model_copy(update=closed), tx.session)
        return AppealView.of(decided)

    async def _amend(self, tx: Transaction, credit: Credit, appeal: Appeal, marks: list[Mark]) -> None:
        assert appeal.decision is not None  # just decided
        outcomes = amend_outcomes(credit.outcomes, credit.rubric, marks)
        past = superseded(credit, "appeal", self._clock.now(), appeal.appeal_id)
        fields = {
            "outcomes": outcomes,
            "achieved": is_achieved(outcomes),
            "open_appeal_id": None,
            "appeal_decided_on": appeal.decision.decided_on,
            "history": [*credit.history, past],
        }
        amended = await self._credits.replace(credit.model_copy(update=fields), tx.session)
        if amended.achieved:
            waiting = await self._submissions.open_of_unit(credit.enrolment_id, credit.unit_id, tx.session)
            ids = [submission.submission_id for submission in waiting]
            await self._submissions.settle(ids, SubmissionState.SUPERSEDED, tx.session)
        event = MarkAmended(
            credit_id=credit.credit_id,
            appeal_id=appeal.appeal_id,
            enrolment_id=credit.enrolment_id,
            unit_id=credit.unit_id,
            achieved=amended.achieved,
            achieved_outcome_ids=amended.achieved_outcome_ids,
        )
        await tx.emit(credit.credit_id, event)

    async def read(self, principal: Principal, appeal_id: str) -> AppealView:
        """An appeal, for its learner and the institutions with duties. Raises NotFound."""
        appeal = await self._appeals.find(appeal_id)
        if appeal is None:
            raise NotFound("appeal")
        plan = await self._plans.find(appeal.plan_id)
        if not may_read(principal, appeal.person_id, plan.institutions if plan else ()):
            raise NotFound("appeal")
        return AppealView.of(appeal)

    async def page(self, principal: Principal, state: AppealState | None, paging: Paging) -> list[AppealView]:
        """The appeals that a caller may see, oldest first."""
        person_id = plan_ids = None
        if not oversees(principal):
            if has_duty(principal) and principal.organisation_id is not None:
                plan_ids = await self._plans.of_institution(principal.organisation_id)
            else:
                person_id = principal.subject
        found = await self._appeals.page(
            person_id=person_id, plan_ids=plan_ids, state=state, after=paging.after, limit=paging.limit
        )
        return [AppealView.of(appeal) for appeal in found]

    async def _decides(self, principal: Principal, appeal: Appeal) -> bool:
        plan = await self._plans.find(appeal.plan_id)
        return may_read(principal, appeal.person_id, plan.institutions if plan else ())
