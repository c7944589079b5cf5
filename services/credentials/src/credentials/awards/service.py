"""Awarding: one award per learner and achievement, one credential per edition."""

from __future__ import annotations

import secrets

from cme_contracts.assessment import CreditRecognised, ProgrammeCompleted
from cme_contracts.credentials import CredentialRevoked
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.consumers import NotYet
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound
from cme_kit.telemetry import current_traceparent

from credentials.achievements.domain import Achievement
from credentials.achievements.repository import AchievementRepository
from credentials.awards.domain import (
    Act,
    Attestation,
    Award,
    AwardState,
    Credential,
    CredentialState,
    compose_credential,
    identifiers,
)
from credentials.awards.repository import AwardRepository, CredentialRepository
from credentials.holders.repository import HolderRepository
from credentials.issuance.service import Issuance
from credentials.keys.service import Issuer
from credentials.status.service import StatusLists

STAFF_SCOPE = "credentials.awards:revoke"


class NotIssued(Conflict):
    """Only an issued credential can be revoked."""

    code = "not_issued"


class NotRevoked(Conflict):
    """Only a revoked award can be issued again."""

    code = "not_revoked"


class Awards:
    """Awards and their credentials."""

    def __init__(
        self,
        issuer: Issuer,
        awards: AwardRepository,
        credentials: CredentialRepository,
        achievements: AchievementRepository,
        holders: HolderRepository,
        lists: StatusLists,
        issuance: Issuance,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._awards = awards
        self._credentials = credentials
        self._achievements = achievements
        self._holders = holders
        self._lists = lists
        self._issuance = issuance
        self._clock = clock

    async def credit_recognised(self, tx: Transaction, event: CreditRecognised) -> None:
        """Award the unit."""
        attestation = Attestation(
            points=event.points,
            achieved_ids=event.achieved_outcome_ids,
            acts=[
                Act(step=step, institution_id=act.institution_id, on=act.on)
                for step, act in (
                    ("Assessed", event.assessed),
                    ("Validated", event.validated),
                    ("Recognised", event.recognised),
                )
            ],
            attested_on=event.recognised.on,
        )
        achievement = await self._achievements.find_for(
            event.programme_id, event.programme_version, event.unit_id, tx.session
        )
        await self._award(tx, achievement, event.person_id, event.enrolment_id, event.unit_id, attestation)

    async def programme_completed(self, tx: Transaction, event: ProgrammeCompleted) -> None:
        """Award the programme."""
        achievement = await self._achievements.find_for(
            event.programme_id, event.programme_version, event.programme_id, tx.session
        )
        units = [unit.unit_id for unit in achievement.units] if achievement else []
        attestation = Attestation(points=event.points, achieved_ids=units, acts=[], attested_on=event.completed_on)
        await self._award(tx, achievement, event.person_id, event.enrolment_id, None, attestation)

    async def _award(
        self,
        tx: Transaction,
        achievement: Achievement | None,
        person_id: str,
        enrolment_id: str,
        unit_id: str | None,
        attestation: Attestation,
    ) -> None:
        if achievement is None:
            raise NotYet("the programme version is not known here yet")
        if await self._awards.find_for(enrolment_id, achievement.achievement_id, tx.session):
            return
        award = Award(
            award_id=new_id("awd"),
            achievement_id=achievement.achievement_id,
            kind=achievement.kind.value,
            person_id=person_id,
            enrolment_id=enrolment_id,
            unit_id=unit_id,
            attestation=attestation,
            state=AwardState.PENDING,
            edition=1,
            credential_id=new_id("cred"),
        )
        await self._intend(tx, award, achievement)
        await self._awards.insert(award, tx.session)

    async def _intend(self, tx: Transaction, award: Award, achievement: Achievement) -> None:
        """Store what will be signed, before it is signed. Raises NotYet while a named fact has not arrived."""
        holder = await self._holders.find(award.person_id, tx.session)
        if holder is None:
            raise NotYet("the holder is not known here yet")
        needed = {act.institution_id for act in award.attestation.acts}
        institutions = await self._holders.organisation_names(needed, tx.session) if needed else {}
        if missing := needed - institutions.keys():
            raise NotYet(f"{min(missing)} is not known here yet")
        place = await self._place(tx)
        now = self._clock.now()
        document = compose_credential(
            self._issuer.public_url,
            self._issuer.profile,
            award.credential_id,
            achievement,
            award.attestation,
            identifiers(award.person_id, holder.email, secrets.token_hex(16)),
            institutions,
            place,
            now,
        )
        credential = Credential(
            credential_id=award.credential_id,
            award_id=award.award_id,
            edition=award.edition,
            state=CredentialState.INTENT,
            status_list=place[0],
            status_index=place[1],
            document=document,
            canonical=self._issuer.canonical(document),
            created_at=now,
            traceparent=current_traceparent(),
        )
        await self._credentials.insert(credential, tx.session)
        tx.after_commit(self._issuance.woken.set)

    async def _place(self, tx: Transaction) -> tuple[int, int]:
        """A free place in the list in use; a unique index settles what two transactions choose at once."""
        while True:
            number, places = self._lists.candidates()
            taken = await self._credentials.taken(number, places, tx.session)
            if free := [place for place in places if place not in taken]:
                return number, free[0]
            await self._lists.open_next(number)

    async def find(self, award_id: str, principal: Principal) -> Award:
        """An award that the caller may see. Raises NotFound."""
        award = await self._awards.find(award_id)
        if award is None or not (_sees_all(principal) or award.person_id == principal.subject):
            raise NotFound("award")
        return award

    async def page(self, principal: Principal, filters: dict[str, str], after: str | None, limit: int) -> list[Award]:
        """The awards that the caller may see and the filters let through."""
        if not _sees_all(principal):
            if filters.get("person_id", principal.subject) != principal.subject:
                return []
            filters = {**filters, "person_id": principal.subject}
        return await self._awards.page(filters, after, limit)

    async def revoke(self, tx: Transaction, award_id: str, reason: str) -> Award:
        """Revoke the award's credential for ever: its bit is set and the list signed anew in the same transaction."""
        award = await self._existing(tx, award_id)
        credential = await self._credentials.find(award.credential_id, tx.session)
        if award.state is not AwardState.ISSUED or credential is None:
            raise NotIssued(f"This award is {award.state}; only an issued one can be revoked. Nothing was changed.")
        now = self._clock.now()
        revoked = award.model_copy(update={"state": AwardState.REVOKED, "revoked_at": now, "revocation_reason": reason})
        if not await self._awards.advance(revoked, AwardState.ISSUED, tx.session):
            raise NotIssued("This award was just revoked by somebody else.")
        await self._credentials.revoke(award.credential_id, now, tx.session)
        await self._lists.revoke(tx, credential.status_list, credential.status_index)
        event = CredentialRevoked(
            credential_id=award.credential_id,
            award_id=award_id,
            kind=award.kind,
            person_id=award.person_id,
            revoked_at=now,
        )
        await tx.emit(award_id, event)
        return revoked

    async def reissue(self, tx: Transaction, award_id: str, reason: str) -> Award:
        """Begin the next edition of a revoked award; why is kept with it."""
        award = await self._existing(tx, award_id)
        if award.state is not AwardState.REVOKED:
            raise NotRevoked(f"This award is {award.state}; revoke it before it is issued again. Nothing was changed.")
        achievement = await self._achievements.find(award.achievement_id, tx.session)
        if achievement is None:
            raise NotFound("achievement")
        following = award.model_copy(
            update={
                "state": AwardState.PENDING,
                "edition": award.edition + 1,
                "credential_id": new_id("cred"),
                "issued_at": None,
                "revoked_at": None,
                "revocation_reason": None,
                "reissue_reason": reason,
            }
        )
        if not await self._awards.advance(following, AwardState.REVOKED, tx.session):
            raise NotRevoked("This award was just issued again by somebody else.")
        await self._intend(tx, following, achievement)
        return following

    async def _existing(self, tx: Transaction, award_id: str) -> Award:
        award = await self._awards.find(award_id, tx.session)
        if award is None:
            raise NotFound("award")
        return award


def _sees_all(principal: Principal) -> bool:
    return principal.may(STAFF_SCOPE) or not principal.is_person
