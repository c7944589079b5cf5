"""Evidence: declared, handed in, read by those who assess it."""

from __future__ import annotations

from cme_contracts.assessment import EvidenceSubmitted
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound

from assessment.credits.repository import CreditRepository
from assessment.evidence.domain import (
    MAX_OPEN,
    OPEN_STATES,
    LearnerWithdrawn,
    NoAgreement,
    NotOpen,
    Submission,
    SubmissionState,
    TooManySubmissions,
    UnitAchieved,
    check_content,
    check_size,
)
from assessment.evidence.repository import SubmissionRepository
from assessment.evidence.schemas import NewSubmission, SubmissionView
from assessment.learners.domain import Learner, LearnerState, agreement_covering, may_read, oversees, owns
from assessment.learners.repository import LearnerRepository
from assessment.plans.domain import Plan
from assessment.plans.repository import PlanRepository


class Evidence:
    """The use cases of evidence."""

    def __init__(
        self,
        submissions: SubmissionRepository,
        learners: LearnerRepository,
        plans: PlanRepository,
        credit_records: CreditRepository,
        clock: Clock,
    ) -> None:
        self._submissions = submissions
        self._learners = learners
        self._plans = plans
        self._credits = credit_records
        self._clock = clock

    async def declare(
        self, tx: Transaction, principal: Principal, enrolment_id: str, unit_id: str, body: NewSubmission
    ) -> SubmissionView:
        """Announce a piece of evidence; its bytes follow.

        Raises NotFound, ContentTooLarge, LearnerWithdrawn, NoAgreement, UnitAchieved or TooManySubmissions.
        """
        check_size(body.size)
        learner = await self._own_learner(tx, principal, enrolment_id)
        plan = await self._plans.of_unit(learner.programme_id, learner.programme_version, unit_id, tx.session)
        if plan is None:
            raise NotFound("unit of this learner's programme version")
        await self._require_open(tx, learner, unit_id)
        if len(await self._submissions.open_of_unit(enrolment_id, unit_id, tx.session)) >= MAX_OPEN:
            raise TooManySubmissions(f"At most {MAX_OPEN} pieces of evidence wait per unit; take one back first.")
        submission = Submission(
            submission_id=new_id("sub"),
            enrolment_id=enrolment_id,
            person_id=learner.person_id,
            plan_id=plan.plan_id,
            unit_id=unit_id,
            state=SubmissionState.AWAITING_CONTENT,
            declared_at=self._clock.now(),
            **body.model_dump(),
        )
        await self._submissions.add(submission, tx.session)
        return SubmissionView.of(submission)

    async def hand_in(
        self, tx: Transaction, principal: Principal, submission_id: str, content: bytes
    ) -> SubmissionView:
        """Store the bytes of a declared submission. The same bytes again change nothing.

        Raises NotFound, ContentMismatch, NotOpen, or what forbids to declare evidence.
        """
        submission = await self._submissions.find(submission_id, tx.session)
        if submission is None or not owns(principal, submission.person_id):
            raise NotFound("submission")
        check_content(submission, content)
        if submission.state in {SubmissionState.SUBMITTED, SubmissionState.ASSESSED}:
            return SubmissionView.of(submission)
        if submission.state is not SubmissionState.AWAITING_CONTENT:
            raise NotOpen(f"This evidence is {submission.state}; declare new evidence.")
        learner = await self._own_learner(tx, principal, submission.enrolment_id)
        await self._require_open(tx, learner, submission.unit_id)
        plan = await self._plans.find(submission.plan_id, tx.session)
        now = self._clock.now()
        late = None if plan is None or plan.due_on is None else now.date() > plan.due_on
        stored = await self._submissions.store_content(submission, content, now, late=late, session=tx.session)
        event = EvidenceSubmitted(
            submission_id=submission_id,
            enrolment_id=submission.enrolment_id,
            unit_id=submission.unit_id,
            sha256=submission.sha256,
            size=submission.size,
            media_type=submission.media_type,
        )
        await tx.emit(submission_id, event)
        return SubmissionView.of(stored)

    async def take_back(self, tx: Transaction, principal: Principal, submission_id: str) -> None:
        """Remove evidence that is not assessed yet. Raises NotFound or NotOpen."""
        submission = await self._submissions.find(submission_id, tx.session)
        if submission is None or not owns(principal, submission.person_id):
            raise NotFound("submission")
        await self._own_learner(tx, principal, submission.enrolment_id)
        if submission.state not in OPEN_STATES:
            raise NotOpen(f"This evidence is {submission.state} and stays.")
        await self._submissions.remove(submission_id, tx.session)

    async def declared(self, principal: Principal, submission_id: str) -> Submission:
        """The caller's own submission, before its bytes are read. Raises NotFound."""
        submission = await self._submissions.find(submission_id)
        if submission is None or not owns(principal, submission.person_id):
            raise NotFound("submission")
        return submission

    async def read(self, principal: Principal, submission_id: str) -> SubmissionView:
        """A submission, for its learner and those who assess it. Raises NotFound."""
        return SubmissionView.of(await self._readable(principal, submission_id))

    async def read_content(self, principal: Principal, submission_id: str) -> tuple[Submission, bytes]:
        """A submission with its bytes. Raises NotFound."""
        submission = await self._readable(principal, submission_id)
        content = await self._submissions.content(submission_id)
        if content is None:
            raise NotFound("content of a submission")
        return submission, content

    async def of_learner(self, principal: Principal, enrolment_id: str) -> list[SubmissionView]:
        """All evidence of a learner that the caller may see. Raises NotFound."""
        learner = await self._learners.find(enrolment_id)
        if learner is None:
            raise NotFound("learner")
        submissions = await self._submissions.of_learner(enrolment_id)
        if not owns(principal, learner.person_id) and not oversees(principal):
            plans = await self._plans.of_version(learner.programme_id, learner.programme_version)
            mine = {plan.plan_id for plan in plans if _may_assess(principal, plan)}
            if not mine:
                raise NotFound("learner")
            submissions = [submission for submission in submissions if submission.plan_id in mine]
        return [SubmissionView.of(submission) for submission in submissions]

    async def queue(self, principal: Principal, state: SubmissionState, paging: Paging) -> list[SubmissionView]:
        """What the caller's institution has to assess, oldest first."""
        if principal.organisation_id is None:
            return []
        plan_ids = await self._plans.of_institution(principal.organisation_id, assessing_only=True)
        submissions = await self._submissions.queue(plan_ids, state, paging.after, paging.limit)
        return [SubmissionView.of(submission) for submission in submissions]

    async def _own_learner(self, tx: Transaction, principal: Principal, enrolment_id: str) -> Learner:
        learner = await self._learners.lock(enrolment_id, tx.session)
        if learner is None or learner.erased or not owns(principal, learner.person_id):
            raise NotFound("learner")
        return learner

    async def _require_open(self, tx: Transaction, learner: Learner, unit_id: str) -> None:
        if learner.state is LearnerState.WITHDRAWN:
            raise LearnerWithdrawn("You left the programme; evidence can no longer be handed in.")
        if agreement_covering(learner, unit_id) is None:
            raise NoAgreement("No learning agreement in force covers this unit: it needs all three approvals first.")
        credit = await self._credits.of_unit(learner.enrolment_id, unit_id, tx.session)
        if credit is not None and credit.achieved:
            raise UnitAchieved("This unit is achieved and needs no more evidence.")

    async def _readable(self, principal: Principal, submission_id: str) -> Submission:
        submission = await self._submissions.find(submission_id)
        if submission is None:
            raise NotFound("submission")
        if not owns(principal, submission.person_id) and not oversees(principal):
            plan = await self._plans.find(submission.plan_id)
            if plan is None or not _may_assess(principal, plan):
                raise NotFound("submission")
        return submission


def _may_assess(principal: Principal, plan: Plan) -> bool:
    assessing = {plan.assessing_institution_id} if plan.assessing_institution_id else set()
    return principal.may("assessment.marks:write") and may_read(principal, "", assessing)
