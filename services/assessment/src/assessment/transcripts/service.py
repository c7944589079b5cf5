"""Transcripts of learners and the progress of cohorts."""

from __future__ import annotations

from cme_kit.auth import Principal
from cme_kit.problems import Conflict, NotFound

from assessment.credits.domain import CreditState
from assessment.credits.repository import CreditRepository
from assessment.evidence.domain import SubmissionState
from assessment.evidence.repository import SubmissionRepository
from assessment.learners.domain import LearnerState, has_duty, may_read, oversees
from assessment.learners.repository import LearnerRepository
from assessment.plans.repository import PlanRepository
from assessment.transcripts.domain import transcript_units
from assessment.transcripts.schemas import CreditCounts, PinnedProgramme, Progress, Transcript


class ProgrammeNotKnown(Conflict):
    """The learner's programme version has not arrived here."""

    code = "programme_not_known"


class Transcripts:
    """The use cases of transcripts and progress."""

    def __init__(
        self,
        learners: LearnerRepository,
        plans: PlanRepository,
        credit_records: CreditRepository,
        submissions: SubmissionRepository,
    ) -> None:
        self._learners = learners
        self._plans = plans
        self._credits = credit_records
        self._submissions = submissions

    async def transcript(self, principal: Principal, enrolment_id: str) -> Transcript:
        """A learner's transcript. Raises NotFound or ProgrammeNotKnown."""
        learner = await self._learners.find(enrolment_id)
        if learner is None:
            raise NotFound("learner")
        plans = await self._plans.of_version(learner.programme_id, learner.programme_version)
        institutions = {institution for plan in plans for institution in plan.institutions}
        if not may_read(principal, learner.person_id, institutions):
            raise NotFound("learner")
        programme = await self._plans.programme(learner.programme_id, learner.programme_version)
        if programme is None:
            raise ProgrammeNotKnown("The published programme has not arrived here yet; try again in a moment.")
        credit_records = await self._credits.of_learner(enrolment_id)
        submissions = await self._submissions.of_learner(enrolment_id)
        handed_in = {item.unit_id for item in submissions if item.state is SubmissionState.SUBMITTED}
        units = transcript_units(plans, credit_records, handed_in)
        return Transcript(
            enrolment_id=enrolment_id,
            person_id=learner.person_id,
            state=learner.state,
            withdrawn_on=learner.withdrawn_on,
            programme=PinnedProgramme(
                programme_id=programme.programme_id,
                version=programme.version,
                content_hash=programme.content_hash,
                title=programme.title,
            ),
            agreement_version=learner.agreements[-1].version if learner.agreements else None,
            units=units,
            points_targeted=programme.points,
            points_gained=sum(unit.points_gained for unit in units),
            completed=learner.completed_on is not None,
            completed_on=learner.completed_on,
        )

    async def progress(self, principal: Principal, cohort_id: str) -> Progress:
        """Counts of a cohort, for those who see its learners. Raises NotFound."""
        learners = await self._learners.of_cohort(cohort_id)
        if not learners or not await self._sees_cohort(principal, learners[0].programme_id):
            raise NotFound("cohort")
        counts = await self._credits.count_by_state(cohort_id)
        withdrawn = sum(learner.state is LearnerState.WITHDRAWN for learner in learners)
        return Progress(
            cohort_id=cohort_id,
            enrolled=len(learners) - withdrawn,
            withdrawn=withdrawn,
            completed=sum(learner.completed_on is not None for learner in learners),
            credits=CreditCounts(**{str(state): counts.get(state, 0) for state in CreditState}),
        )

    async def _sees_cohort(self, principal: Principal, programme_id: str) -> bool:
        if oversees(principal):
            return True
        if not has_duty(principal) or principal.organisation_id is None:
            return False
        return await self._plans.has_institution(programme_id, principal.organisation_id)
