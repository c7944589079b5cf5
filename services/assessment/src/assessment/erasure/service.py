"""Erasure of a person: what learners handed in and what was written about them goes, figures stay."""

from __future__ import annotations

from cme_contracts.enrolment import PersonErased
from cme_kit.outbox import Transaction

from assessment.appeals.repository import AppealRepository
from assessment.credits.repository import CreditRepository
from assessment.evidence.repository import SubmissionRepository
from assessment.learners.repository import LearnerRepository


class Erasure:
    """Applies an erasure to every feature.

    Kept, because they attest what others relied on: marks, acts with their days, points, and hashes of evidence. They
    name people by ids that nothing here leads back to a name.
    """

    def __init__(
        self,
        learners: LearnerRepository,
        submissions: SubmissionRepository,
        credit_records: CreditRepository,
        appeals: AppealRepository,
    ) -> None:
        self._learners = learners
        self._submissions = submissions
        self._credits = credit_records
        self._appeals = appeals

    async def apply_erasure(self, tx: Transaction, event: PersonErased) -> None:
        """A person was erased."""
        enrolment_ids = await self._learners.erase_person(event.person_id, tx.session)
        if enrolment_ids:
            await self._submissions.erase(enrolment_ids, tx.session)
            await self._credits.erase(enrolment_ids, tx.session)
            await self._appeals.erase(event.person_id, tx.session)
