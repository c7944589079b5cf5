"""Contacts in MongoDB, and the suppression list that knows addresses only as keyed hashes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from outreach.consents.domain import Consent
from outreach.contacts.domain import Contact, Relation

CONTACTS = "contacts"
SUPPRESSIONS = "suppressions"
INDEXES = (
    Index(CONTACTS, ("cluster_id", "address_hash"), unique=True),
    Index(CONTACTS, ("address_hash",)),
    Index(CONTACTS, ("person_id",), partial={"person_id": {"$type": "string"}}),
)


def _contact(row: Document) -> Contact:
    return Contact.model_validate({**row, "contact_id": row["_id"]})


def _row(contact: Contact) -> Document:
    return {"_id": contact.contact_id, **contact.model_dump(exclude={"contact_id"})}


class ContactRepository:
    """Reads and writes contacts. Whatever changes a permission writes the contact, so that a claim conflicts with it."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(CONTACTS)

    async def add_many(self, contacts: Sequence[Contact], session: Session) -> None:
        """Store new contacts."""
        await self._rows.insert_many([_row(contact) for contact in contacts], session=session)

    async def replace(self, contact: Contact, session: Session) -> None:
        """Store a contact as it is now."""
        await self._rows.replace({"_id": contact.contact_id}, _row(contact), session=session)

    async def find(self, contact_id: str, session: Session | None = None) -> Contact | None:
        """A contact by its id."""
        row = await self._rows.find_one({"_id": contact_id}, session=session)
        return _contact(row) if row else None

    async def of_cluster(self, cluster_id: str, session: Session | None = None) -> list[Contact]:
        """The contacts of a cluster, oldest first."""
        return [
            _contact(row)
            for row in await self._rows.find({"cluster_id": cluster_id}, sort=[("_id", 1)], session=session)
        ]

    async def of_clusters(self, cluster_ids: Collection[str], session: Session | None = None) -> list[Contact]:
        """The contacts of many clusters, oldest first."""
        chosen = {"cluster_id": {"$in": list(cluster_ids)}}
        return [_contact(row) for row in await self._rows.find(chosen, sort=[("_id", 1)], session=session)]

    async def of_address(self, address_hash: str, session: Session) -> list[Contact]:
        """Every entry of an address."""
        return [_contact(row) for row in await self._rows.find({"address_hash": address_hash}, session=session)]

    async def known_pairs(self, address_hashes: Collection[str], session: Session) -> set[tuple[str, str]]:
        """The (cluster, address) pairs that exist among these addresses."""
        chosen = {"address_hash": {"$in": list(address_hashes)}}
        rows = await self._rows.find(chosen, fields=["cluster_id", "address_hash"], session=session)
        return {(str(row["cluster_id"]), str(row["address_hash"])) for row in rows}

    async def set_consent(self, contact_id: str, purpose: str, consent: Consent, session: Session) -> None:
        """Note what a contact last said about a purpose."""
        update = {"$set": {f"consents.{purpose}": consent.model_dump()}}
        await self._rows.update({"_id": contact_id}, update, session=session)

    async def set_relation(self, contact_id: str, relation: Relation, session: Session) -> None:
        """Document a connection."""
        await self._rows.update({"_id": contact_id}, {"$set": {"relation": relation.model_dump()}}, session=session)

    async def object(self, address_hashes: Collection[str], scope: str, at: datetime, session: Session) -> None:
        """Mark every entry of these addresses as objecting to a purpose or to all."""
        chosen = {"address_hash": {"$in": list(address_hashes)}}
        await self._rows.update_many(chosen, {"$set": {f"objections.{scope}": at}}, session=session)

    async def lift_objection(self, address_hash: str, purpose: str, session: Session) -> None:
        """Forget an objection to one purpose after a later declaration."""
        chosen = {"address_hash": address_hash}
        await self._rows.update_many(chosen, {"$unset": {f"objections.{purpose}": ""}}, session=session)

    async def read_for_claim(self, contact_id: str, at: datetime, session: Session) -> Contact | None:
        """A contact, read by writing it: a permission that changes at the same moment then conflicts with the claim."""
        row = await self._rows.change({"_id": contact_id}, {"$set": {"last_claimed_at": at}}, session=session)
        return _contact(row) if row else None

    async def move(self, contact_id: str, cluster_id: str, session: Session) -> None:
        """Give a contact to another entry."""
        await self._rows.update({"_id": contact_id}, {"$set": {"cluster_id": cluster_id}}, session=session)

    async def remove(self, contact_id: str, session: Session) -> None:
        """Delete a contact."""
        await self._rows.delete({"_id": contact_id}, session=session)

    async def of_person(self, person_id: str, session: Session) -> list[Contact]:
        """The contacts that are a registered person."""
        return [_contact(row) for row in await self._rows.find({"person_id": person_id}, session=session)]


class SuppressionRepository:
    """The addresses that must not be mailed, as HMACs; they are kept for ever so that no import mails them again."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(SUPPRESSIONS)

    async def add(self, address_hash: str, scope: str, reason: str, at: datetime, session: Session) -> None:
        """Suppress an address for a purpose or for all; the first reason stands."""
        stated = {"reason": reason, "at": at}
        if not await self._rows.update({"_id": address_hash}, {"$set": {f"scopes.{scope}": stated}}, session=session):
            await self._rows.insert({"_id": address_hash, "scopes": {scope: stated}}, session=session)

    async def among(
        self, address_hashes: Collection[str], session: Session | None = None
    ) -> dict[str, dict[str, datetime]]:
        """What each of these addresses objects to, and since when."""
        rows = await self._rows.find({"_id": {"$in": list(address_hashes)}}, session=session)
        return {str(row["_id"]): {scope: stated["at"] for scope, stated in row["scopes"].items()} for row in rows}

    async def lift(self, address_hash: str, purpose: str, session: Session) -> None:
        """Forget an objection to one purpose."""
        await self._rows.update({"_id": address_hash}, {"$unset": {f"scopes.{purpose}": ""}}, session=session)

    async def count(self, session: Session) -> int:
        """How many addresses are on the list."""
        return await self._rows.count({}, session=session)
