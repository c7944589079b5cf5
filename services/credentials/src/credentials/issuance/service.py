"""From intent to signed to issued, one stored step after the other."""

from __future__ import annotations

import asyncio

import structlog
from cme_contracts.credentials import CredentialIssued
from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.outbox import Outbox, Transaction
from cme_kit.telemetry import span

from credentials.awards.domain import AwardState, Credential
from credentials.awards.repository import AwardRepository, CredentialRepository
from credentials.jsonld.domain import RefusedDocument
from credentials.keys.service import Issuer
from credentials.proofs.domain import BadProof, only_proof, verify_proof
from credentials.status.service import StatusLists

BATCH = 50
log = structlog.get_logger(__name__)


class Issuance:
    """The sweeper that turns every stored intent into an issued credential, exactly once."""

    def __init__(
        self,
        issuer: Issuer,
        awards: AwardRepository,
        credentials: CredentialRepository,
        lists: StatusLists,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._awards = awards
        self._credentials = credentials
        self._lists = lists
        self._outbox = outbox
        self._clock = clock
        #: Set when an intent was committed here, and at the start for what a crash left.
        self.woken = asyncio.Event()
        self.woken.set()

    async def finish_all(self) -> None:
        """Finish every intent that is stored. One that cannot be finished is reported and does not stop the others."""
        unfinished = await self._credentials.unfinished(BATCH)
        issued = 0
        for credential in unfinished:
            try:
                attributes = {"cme.credential": credential.credential_id}
                with span("issue credential", attributes=attributes, traceparent=credential.traceparent):
                    await self._finish(credential)
                issued += 1
            except (BadProof, RefusedDocument) as error:
                log.exception(
                    "a credential cannot be issued", credential_id=credential.credential_id, reason=str(error)
                )
        if issued and len(unfinished) == BATCH:
            self.woken.set()  # there may be more

    async def _finish(self, credential: Credential) -> None:
        signed = credential.signed
        if signed is None:
            await failpoint("issuance.intended")
            # The moment of the intent is the moment of the proof: signing again after a crash gives the same bytes.
            signed = await self._issuer.sign(credential.document, credential.canonical, credential.created_at)
            await failpoint("issuance.signed")
            await self._credentials.keep_signed(credential.credential_id, signed)
        await self._check(signed)
        await self._lists.ensure(credential.status_list)
        await self._outbox.transaction(lambda tx: self._issue(tx, credential))

    async def _check(self, signed: dict[str, object]) -> None:
        """Verify as a stranger would, with the full contexts and the published key. Raises BadProof."""
        proof = only_proof(signed)
        key = await self._issuer.key_of(proof["verificationMethod"])
        if key is None:
            raise BadProof("The key that signed is not published.")
        verify_proof(signed, proof, key)

    async def _issue(self, tx: Transaction, credential: Credential) -> None:
        now = self._clock.now()
        if not await self._credentials.issue(credential.credential_id, now, tx.session):
            return  # another replica was faster
        award = await self._awards.find(credential.award_id, tx.session)
        assert award is not None  # stored in the same transaction as the intent
        issued = award.model_copy(update={"state": AwardState.ISSUED, "issued_at": now})
        await self._awards.advance(issued, AwardState.PENDING, tx.session)
        event = CredentialIssued(
            credential_id=credential.credential_id,
            award_id=award.award_id,
            edition=credential.edition,
            achievement_id=award.achievement_id,
            kind=award.kind,
            enrolment_id=award.enrolment_id,
            person_id=award.person_id,
            issued_at=now,
        )
        await tx.emit(award.award_id, event)
