"""Credits: assessed, validated, recognised; completion when the last unit is recognised."""

from __future__ import annotations

from cme_contracts.assessment import CreditAct, CreditAssessed, CreditRecognised, CreditValidated, ProgrammeCompleted
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound

from assessment.credits.domain import (
    Act,
    CitedAgreement,
    Credit,
    CreditState,
    Mark,
    PersonNeeded,
    WrongState,
    check_actor,
    check_day,
    check_recognising,
    check_step,
    is_achieved,
    mark_outcomes,
    superseded,
)
from assessment.credits.repository import CreditRepository
from assessment.credits.schemas import CreditView, NewAssessment, NewRecognition, NewValidation
from assessment.evidence.domain import SubmissionState
from assessment.evidence.repository import SubmissionRepository
from assessment.learners.domain import (
    Learner,
    RecognisedUnit,
    agreement_covering,
    completion_day,
    has_duty,
    may_read,
    oversees,
)
from assessment.learners.repository import LearnerRepository
from assessment.plans.domain import Plan
from assessment.plans.repository import PlanRepository


class Credits:
    """The use cases of the ECVET chain."""

    def __init__(
        self,
        credit_records: CreditRepository,
        submissions: SubmissionRepository,
        learners: LearnerRepository,
        plans: PlanRepository,
        clock: Clock,
    ) -> None:
        self._credits = credit_records
        self._submissions = submissions
        self._learners = learners
        self._plans = plans
        self._clock = clock

    async def assess(
        self, tx: Transaction, principal: Principal, submission_id: str, body: NewAssessment
    ) -> CreditView:
        """Mark every outcome of a unit on the evidence that the learner handed in for it.

        Raises NotFound, PersonNeeded, SeparationOfDuties, WrongState, AppealOpen, UnfitMarks or DateOutOfOrder.
        """
        submission = await self._submissions.find(submission_id, tx.session)
        plan = await self._plans.find(submission.plan_id, tx.session) if submission else None
        if submission is None or plan is None or not _acts_for(principal, plan.assessing_institution_id):
            raise NotFound("submission")
        act = _act(principal, body.assessed_on)
        check_actor(principal.subject, submission.person_id, [])
        learner = await self._learners.lock(submission.enrolment_id, tx.session)
        if learner is None or submission.state is not SubmissionState.SUBMITTED:
            raise WrongState(f"This evidence is {submission.state}; only handed-in evidence is assessed.")
        before = await self._credits.of_unit(submission.enrolment_id, submission.unit_id, tx.session)
        if before is not None:
            check_step(before, CreditState.ASSESSED)
        check_day("assessed_on", body.assessed_on, self._clock.today(), before.last_day if before else None)
        marks = [Mark.model_validate(mark.model_dump()) for mark in body.marks]
        outcomes = mark_outcomes(plan.outcomes, plan.rubric, marks)
        waiting = await self._submissions.open_of_unit(submission.enrolment_id, submission.unit_id, tx.session)
        evidence = [item.submission_id for item in waiting if item.state is SubmissionState.SUBMITTED]
        agreement = agreement_covering(learner, plan.unit_id)
        result = {
            "achieved": is_achieved(outcomes),
            "outcomes": outcomes,
            "feedback": body.feedback,
            "evidence": evidence,
            "agreement": CitedAgreement.model_validate(agreement.model_dump()) if agreement else None,
            "rubric": plan.rubric,
            "assessed": act,
        }
        if before is None:
            credit = _first_credit(learner, plan, result)
            await self._credits.add(credit, tx.session)
        else:
            past = superseded(before, "assessment", self._clock.now())
            result |= {"attempt": before.attempt + 1, "appeal_decided_on": None, "history": [*before.history, past]}
            credit = await self._credits.replace(before.model_copy(update=result), tx.session)
        await self._submissions.settle(evidence, SubmissionState.ASSESSED, tx.session)
        if credit.achieved:
            empty = [item.submission_id for item in waiting if item.submission_id not in evidence]
            await self._submissions.settle(empty, SubmissionState.SUPERSEDED, tx.session)
        event = CreditAssessed(
            credit_id=credit.credit_id,
            enrolment_id=credit.enrolment_id,
            unit_id=credit.unit_id,
            achieved=credit.achieved,
            achieved_outcome_ids=credit.achieved_outcome_ids,
            assessed=_stated(act),
        )
        await tx.emit(credit.credit_id, event)
        return CreditView.of(credit)

    async def validate(self, tx: Transaction, principal: Principal, credit_id: str, body: NewValidation) -> CreditView:
        """Confirm that the assessed outcomes match those the unit requires.

        Raises NotFound, PersonNeeded, SeparationOfDuties, WrongState, NotAchieved, AppealOpen or DateOutOfOrder.
        """
        credit, plan = await self._with_plan(tx, credit_id)
        if not _acts_for(principal, plan.validating_institution_id):
            raise NotFound("credit")
        act = _act(principal, body.validated_on)
        check_actor(principal.subject, credit.person_id, [credit.assessed])
        check_step(credit, CreditState.VALIDATED)
        check_day("validated_on", body.validated_on, self._clock.today(), credit.last_day)
        fields = {"state": CreditState.VALIDATED, "validated": act, "statement": body.statement}
        validated = await self._credits.replace(credit.model_copy(update=fields), tx.session)
        event = CreditValidated(
            credit_id=credit_id, enrolment_id=credit.enrolment_id, unit_id=credit.unit_id, validated=_stated(act)
        )
        await tx.emit(credit_id, event)
        return CreditView.of(validated)

    async def recognise(
        self, tx: Transaction, principal: Principal, credit_id: str, body: NewRecognition
    ) -> CreditView:
        """Officially attest the outcomes: the points are the learner's. The last unit completes the programme.

        Raises NotFound, PersonNeeded, SeparationOfDuties, WrongState, NotAchieved or DateOutOfOrder.
        """
        credit, plan = await self._with_plan(tx, credit_id)
        if not _acts_for(principal, plan.recognising_institution_id):
            raise NotFound("credit")
        act = _act(principal, body.recognised_on)
        check_actor(principal.subject, credit.person_id, [credit.assessed, credit.validated])
        check_recognising(credit, act.institution_id)
        check_step(credit, CreditState.RECOGNISED)
        check_day("recognised_on", body.recognised_on, self._clock.today(), credit.last_day)
        assert credit.validated is not None  # check_step lets only validated credit through
        fields = {"state": CreditState.RECOGNISED, "recognised": act}
        recognised = await self._credits.replace(credit.model_copy(update=fields), tx.session)
        unit = RecognisedUnit(unit_id=credit.unit_id, credit_id=credit_id, points=credit.points, on=act.on)
        learner = await self._learners.add_recognised(credit.enrolment_id, unit, tx.session)
        event = CreditRecognised(
            credit_id=credit_id,
            enrolment_id=credit.enrolment_id,
            person_id=credit.person_id,
            programme_id=credit.programme_id,
            programme_version=credit.programme_version,
            unit_id=credit.unit_id,
            points=credit.points,
            achieved_outcome_ids=credit.achieved_outcome_ids,
            assessed=_stated(credit.assessed),
            validated=_stated(credit.validated),
            recognised=_stated(act),
        )
        await tx.emit(credit_id, event)
        await self._complete(tx, learner)
        return CreditView.of(recognised)

    async def _complete(self, tx: Transaction, learner: Learner) -> None:
        """Complete the programme when all units of the learner's version are recognised, once."""
        programme = await self._plans.programme(learner.programme_id, learner.programme_version, tx.session)
        assert programme is not None  # its plans exist, and both are written together
        day = completion_day(learner.recognised, programme.unit_ids)
        if day is None or learner.completed_on is not None:
            return
        await self._learners.complete(learner.enrolment_id, day, tx.session)
        credit_of = {unit.unit_id: unit.credit_id for unit in learner.recognised}
        event = ProgrammeCompleted(
            enrolment_id=learner.enrolment_id,
            person_id=learner.person_id,
            programme_id=learner.programme_id,
            programme_version=learner.programme_version,
            points=sum(unit.points for unit in learner.recognised),
            credit_ids=[credit_of[unit_id] for unit_id in programme.unit_ids],
            completed_on=day,
        )
        await tx.emit(learner.enrolment_id, event)

    async def read(self, principal: Principal, credit_id: str) -> CreditView:
        """A credit, for its learner and the institutions with duties. Raises NotFound."""
        credit = await self._credits.find(credit_id)
        plan = await self._plans.find(credit.plan_id) if credit else None
        if credit is None or plan is None or not may_read(principal, credit.person_id, plan.institutions):
            raise NotFound("credit")
        return CreditView.of(credit)

    async def page(
        self, principal: Principal, enrolment_id: str | None, state: CreditState | None, paging: Paging
    ) -> list[CreditView]:
        """The credits that a caller may see, oldest first."""
        person_id = plan_ids = None
        if not oversees(principal):
            if has_duty(principal) and principal.organisation_id is not None:
                plan_ids = await self._plans.of_institution(principal.organisation_id)
            else:
                person_id = principal.subject
        found = await self._credits.page(
            person_id=person_id,
            plan_ids=plan_ids,
            enrolment_id=enrolment_id,
            state=state,
            after=paging.after,
            limit=paging.limit,
        )
        return [CreditView.of(credit) for credit in found]

    async def _with_plan(self, tx: Transaction, credit_id: str) -> tuple[Credit, Plan]:
        credit = await self._credits.find(credit_id, tx.session)
        plan = await self._plans.find(credit.plan_id, tx.session) if credit else None
        if credit is None or plan is None:
            raise NotFound("credit")
        return credit, plan


def _acts_for(principal: Principal, institution_id: str | None) -> bool:
    return institution_id is not None and principal.organisation_id == institution_id


def _act(principal: Principal, on: object) -> Act:
    if not principal.is_person:
        raise PersonNeeded("This step is a person's: act with the token of a person of the institution.")
    return Act.model_validate({"actor_id": principal.subject, "institution_id": principal.organisation_id, "on": on})


def _stated(act: Act) -> CreditAct:
    return CreditAct(actor_id=act.actor_id, institution_id=act.institution_id, on=act.on)


def _first_credit(learner: Learner, plan: Plan, result: dict[str, object]) -> Credit:
    return Credit.model_validate(
        {
            "credit_id": new_id("crd"),
            "enrolment_id": learner.enrolment_id,
            "person_id": learner.person_id,
            "cohort_id": learner.cohort_id,
            "programme_id": learner.programme_id,
            "programme_version": learner.programme_version,
            "plan_id": plan.plan_id,
            "unit_id": plan.unit_id,
            "unit_code": plan.unit_code,
            "points_targeted": plan.points,
            "state": CreditState.ASSESSED,
            "attempt": 1,
            **result,
        }
    )
