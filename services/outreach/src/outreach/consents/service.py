"""Recording what contacts declared, and what addresses must not be mailed."""

from __future__ import annotations

from datetime import datetime

from cme_contracts.outreach import ConsentRecorded
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound, Unprocessable

from outreach.addressing.domain import AddressKeys, DoubtfulAddress, UnusableAddress, normalise_address
from outreach.consents.domain import ALL_PURPOSES, Consent, ConsentState, Purpose
from outreach.consents.repository import ConsentRepository, Declaration
from outreach.consents.schemas import (
    ConsentList,
    ConsentView,
    NewConsent,
    NewRelation,
    SuppressionCount,
    Suppressions,
)
from outreach.contacts.domain import Contact, Relation
from outreach.contacts.repository import ContactRepository, SuppressionRepository
from outreach.directory.repository import ClusterRepository


class InTheFuture(Unprocessable):
    """A declaration that nobody can have made yet."""

    code = "in_the_future"


class Consents:
    """The consent ledger and the suppression list."""

    def __init__(
        self,
        ledger: ConsentRepository,
        contacts: ContactRepository,
        suppressions: SuppressionRepository,
        clusters: ClusterRepository,
        keys: AddressKeys,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._contacts = contacts
        self._suppressions = suppressions
        self._clusters = clusters
        self._keys = keys
        self._clock = clock

    async def record(self, tx: Transaction, contact_id: str, new: NewConsent, by: str) -> ConsentView:
        """Record a declaration. Raises NotFound, or InTheFuture.

        An older declaration than the one that counts is kept in the ledger and changes nothing. A consent given after
        an objection to the same purpose lifts it; an objection to everything stays.
        """
        contact = await self._contacts.find(contact_id, tx.session)
        if contact is None:
            raise NotFound("contact")
        now = self._clock.now()
        if new.given_at > now:
            raise InTheFuture("given_at lies in the future.")
        declaration = Declaration(
            consent_id=new_id("cns"), contact_id=contact_id, recorded_at=now, recorded_by=by, **new.model_dump()
        )
        await self._ledger.add_many([declaration], tx.session)
        await self._apply(tx, contact, declaration)
        return ConsentView.model_validate(declaration.model_dump())

    async def _apply(self, tx: Transaction, contact: Contact, declaration: Declaration) -> None:
        present = contact.consents.get(declaration.purpose)
        if present is None or present.given_at <= declaration.given_at:
            await self._contacts.set_consent(
                contact.contact_id, declaration.purpose, declaration.as_state(), tx.session
            )
        objected = contact.objections.get(declaration.purpose)
        if declaration.state is ConsentState.GIVEN and objected and objected < declaration.given_at:
            await self._contacts.lift_objection(contact.address_hash, declaration.purpose, tx.session)
            await self._suppressions.lift(contact.address_hash, declaration.purpose, tx.session)
        await tx.emit(
            contact.contact_id,
            ConsentRecorded(
                consent_id=declaration.consent_id,
                contact_id=contact.contact_id,
                purpose=declaration.purpose,
                state=declaration.state,
                recorded_at=declaration.recorded_at,
            ),
        )

    async def of_contact(self, contact_id: str) -> ConsentList:
        """A contact's declarations. Raises NotFound."""
        if await self._contacts.find(contact_id) is None:
            raise NotFound("contact")
        items = await self._ledger.of_contact(contact_id)
        return ConsentList(items=[ConsentView.model_validate(one.model_dump()) for one in items])

    async def relate(self, tx: Transaction, contact_id: str, new: NewRelation) -> None:
        """Document a connection to a contact. Raises NotFound."""
        if await self._contacts.find(contact_id, tx.session) is None:
            raise NotFound("contact")
        relation = Relation(kind=new.kind, since=new.since, source=new.source)
        await self._contacts.set_relation(contact_id, relation, tx.session)

    async def suppress(self, tx: Transaction, request: Suppressions) -> SuppressionCount:
        """Put addresses on the list for ever; only their keyed hashes are kept."""
        await self._clusters.guard(tx.session)
        hashes, unusable = set(), 0
        for text in request.addresses:
            try:
                hashes.add(self._keys.hash_of(normalise_address(text)))
            except DoubtfulAddress:
                hashes.add(self._keys.hash_of(text.strip().lower()))  # better one too many than one too few
            except UnusableAddress:
                unusable += 1
        now = self._clock.now()
        for address_hash in sorted(hashes):
            await self._suppressions.add(address_hash, ALL_PURPOSES, request.reason, now, tx.session)
        await self._contacts.object(hashes, ALL_PURPOSES, now, tx.session)
        return SuppressionCount(taken=len(hashes), unusable=unusable, total=await self._suppressions.count(tx.session))

    async def object(self, tx: Transaction, address_hash: str, purpose: Purpose, scope: str, proof: str) -> datetime:
        """An address objects to a purpose or to all (Art. 21(2) GDPR): in force for every entry of it at once."""
        now = self._clock.now()
        await self._suppressions.add(address_hash, scope, "unsubscribed", now, tx.session)
        await self._contacts.object([address_hash], scope, now, tx.session)
        for contact in await self._contacts.of_address(address_hash, tx.session):
            given: Consent | None = contact.consents.get(purpose)
            if given is None or given.state is ConsentState.WITHDRAWN:
                continue
            withdrawal = Declaration(
                consent_id=new_id("cns"),
                contact_id=contact.contact_id,
                purpose=purpose,
                state=ConsentState.WITHDRAWN,
                language="en",
                text_version="unsubscribe",
                method=given.method,
                given_at=now,
                proof=proof,
                recorded_at=now,
                recorded_by="contact",
            )
            await self._ledger.add_many([withdrawal], tx.session)
            await self._apply(tx, contact, withdrawal)
        return now
