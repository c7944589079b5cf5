"""Propose, amend and approve learning agreements."""

from cme_contracts.enrolment import AgreementApproved
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import Paging, stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, FieldError, NotFound, Unprocessable

from enrolment.agreements.domain import Agreement, Approval, Terms, amend, approve, propose
from enrolment.agreements.repository import AgreementRepository
from enrolment.agreements.schemas import AgreementView, NewTerms
from enrolment.learners.domain import Learner, LearnerState
from enrolment.learners.repository import LearnerRepository
from enrolment.organisations.service import Organisations
from enrolment.people.service import require_person
from enrolment.programmes.repository import ProgrammeRepository

PROPOSES = "enrolment.agreements:write"


class StaleApproval(Conflict):
    """What was approved is not the current content."""

    code = "stale_approval"


class ApprovedAsOtherParty(Conflict):
    """One person approves for one party."""

    code = "approved_as_other_party"


class NotEnrolled(Conflict):
    """The learner has left."""

    code = "not_enrolled"


class UnknownUnit(Unprocessable):
    """A unit is not part of the learner's programme version."""

    code = "unknown_unit"


class Agreements:
    """Learning agreements of learners."""

    def __init__(
        self,
        agreements: AgreementRepository,
        learners: LearnerRepository,
        programmes: ProgrammeRepository,
        organisations: Organisations,
        clock: Clock,
    ) -> None:
        self._agreements = agreements
        self._learners = learners
        self._programmes = programmes
        self._organisations = organisations
        self._clock = clock

    async def propose(self, tx: Transaction, enrolment_id: str, new: NewTerms) -> AgreementView:
        """Propose an agreement. Raises NotEnrolled, UnknownUnit or UnknownOrganisation."""
        learner = await self._learner(tx, enrolment_id)
        terms = await self._terms(tx, learner, new)
        agreement = propose(new_id("agr"), learner, terms, self._clock.now())
        await self._agreements.add(agreement, tx.session)
        return AgreementView.of(agreement)

    async def amend(self, tx: Transaction, agreement_id: str, revision: int, new: NewTerms) -> AgreementView:
        """Replace the content by a new version, which nobody has approved.

        Raises NotEnrolled, UnknownUnit or UnknownOrganisation; 412 when it changed since.
        """
        agreement = await self._require(tx, agreement_id)
        if agreement.revision != revision:
            raise stale()
        learner = await self._learner(tx, agreement.enrolment_id)
        terms = await self._terms(tx, learner, new)
        amended = amend(agreement, learner, terms, self._clock.now())
        return await self._store(tx, amended, revision)

    async def approve(
        self, tx: Transaction, agreement_id: str, content_hash: str, principal: Principal
    ) -> AgreementView:
        """Approve as the party that the caller is; again answers the same. The third puts it in force.

        Raises NotFound for anybody else, StaleApproval, ApprovedAsOtherParty or NotEnrolled.
        """
        person_id = require_person(principal)
        agreement = await self._require(tx, agreement_id)
        role = agreement.role_of(person_id, principal.organisation_id)
        if role is None:
            raise NotFound("agreement")
        if content_hash != agreement.content_hash:
            raise StaleApproval(
                f"The agreement is now version {agreement.version} with the content_hash {agreement.content_hash}. "
                "Read it and approve what you read; nothing was approved."
            )
        if role not in agreement.awaited:
            return AgreementView.of(agreement)
        if any(approval.person_id == person_id for approval in agreement.approvals):
            raise ApprovedAsOtherParty("You approved for another party; this one needs another person.")
        await self._learner(tx, agreement.enrolment_id)
        approval = Approval(
            role=role,
            person_id=person_id,
            organisation_id=principal.organisation_id,
            content_hash=content_hash,
            approved_at=self._clock.now(),
        )
        approved = approve(agreement, approval)
        if not approved.awaited:
            event = AgreementApproved(
                agreement_id=agreement_id,
                enrolment_id=agreement.enrolment_id,
                version=agreement.version,
                content_hash=content_hash,
                unit_ids=[unit.unit_id for unit in agreement.terms.units],
                home_organisation_id=agreement.terms.home_organisation_id,
                host_organisation_id=agreement.terms.host_organisation_id,
            )
            await tx.emit(agreement_id, event)
        return await self._store(tx, approved, agreement.revision)

    async def get(self, agreement_id: str, principal: Principal) -> AgreementView:
        """An agreement, for its parties and those who propose. Raises NotFound."""
        agreement = await self._agreements.find(agreement_id)
        if agreement is None or not _may_read(agreement, principal):
            raise NotFound("agreement")
        return AgreementView.of(agreement)

    async def page_of_learner(self, enrolment_id: str, principal: Principal, paging: Paging) -> list[AgreementView]:
        """A page of those agreements of a learner that the caller may see, and one more, when there is one."""
        party = None if principal.may(PROPOSES) else (principal.subject, principal.organisation_id)
        found = await self._agreements.page(enrolment_id, party, paging.after, paging.limit + 1)
        return [AgreementView.of(agreement) for agreement in found]

    async def page_of_party(self, principal: Principal, paging: Paging) -> list[AgreementView]:
        """A page of the agreements the caller is a party of, and one more, when there is one."""
        party = (principal.subject, principal.organisation_id)
        found = await self._agreements.page(None, party, paging.after, paging.limit + 1)
        return [AgreementView.of(agreement) for agreement in found]

    async def _learner(self, tx: Transaction, enrolment_id: str) -> Learner:
        learner = await self._learners.find(enrolment_id, tx.session)
        if learner is None:
            raise NotFound("learner")
        if learner.state is not LearnerState.ENROLLED:
            raise NotEnrolled("The learner has left the programme; nothing can be agreed upon any more.")
        return learner

    async def _terms(self, tx: Transaction, learner: Learner, new: NewTerms) -> Terms:
        programme = await self._programmes.find(learner.programme_id, learner.programme_version, tx.session)
        assert programme is not None  # the learner's call was announced for it
        unknown = [
            FieldError(field=f"body.units.{place}.unit_id", code="unknown_unit", detail="Not a unit of this version.")
            for place, unit in enumerate(new.units)
            if unit.unit_id not in programme.unit_ids
        ]
        if unknown:
            raise UnknownUnit(
                f"The learner follows version {learner.programme_version} of {learner.programme_id}; "
                "name units of that version.",
                errors=unknown,
            )
        await self._organisations.require(tx, new.home_organisation_id, new.host_organisation_id)
        return Terms.model_validate(new.model_dump())

    async def _require(self, tx: Transaction, agreement_id: str) -> Agreement:
        if (agreement := await self._agreements.find(agreement_id, tx.session)) is None:
            raise NotFound("agreement")
        return agreement

    async def _store(self, tx: Transaction, agreement: Agreement, revision: int) -> AgreementView:
        if not await self._agreements.replace(agreement, revision, tx.session):
            raise stale()
        return AgreementView.of(agreement)


def _may_read(agreement: Agreement, principal: Principal) -> bool:
    role = agreement.role_of(principal.subject, principal.organisation_id)
    return principal.may(PROPOSES) or role is not None
