"""Keeps learners and their agreements as enrolment announces them."""

from __future__ import annotations

from cme_contracts.enrolment import AgreementApproved, LearnerEnrolled, LearnerWithdrawn
from cme_kit.consumers import NotYet
from cme_kit.outbox import Transaction

from assessment.learners.domain import Agreement, Learner, with_agreement
from assessment.learners.repository import LearnerRepository


class Learners:
    """Applies what enrolment says about learners."""

    def __init__(self, learners: LearnerRepository) -> None:
        self._learners = learners

    async def apply_enrolment(self, tx: Transaction, event: LearnerEnrolled) -> None:
        """Somebody became a learner of a programme version."""
        learner = Learner(
            enrolment_id=event.enrolment_id,
            person_id=event.person_id,
            cohort_id=event.cohort_id,
            programme_id=event.programme_id,
            programme_version=event.programme_version,
        )
        await self._learners.add(learner, tx.session)

    async def apply_withdrawal(self, tx: Transaction, event: LearnerWithdrawn) -> None:
        """A learner left; what is recognised stays. Raises NotYet before the enrolment arrived."""
        if not await self._learners.withdraw(event.enrolment_id, event.withdrawn_on, tx.session):
            raise NotYet(f"learner {event.enrolment_id}")

    async def apply_agreement(self, tx: Transaction, event: AgreementApproved) -> None:
        """A learning agreement is in force. Raises NotYet before the enrolment arrived."""
        learner = await self._learners.lock(event.enrolment_id, tx.session)
        if learner is None:
            raise NotYet(f"learner {event.enrolment_id}")
        approved = Agreement(
            agreement_id=event.agreement_id,
            version=event.version,
            content_hash=event.content_hash,
            unit_ids=event.unit_ids,
        )
        in_force = with_agreement(learner.agreements, approved)
        await self._learners.keep_agreements(event.enrolment_id, in_force, tx.session)
