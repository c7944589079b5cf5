"""Shapes of the contact API."""

from __future__ import annotations

from datetime import datetime

from cme_kit.schemas import Schema, ShortText, example
from pydantic import BaseModel, Field

from outreach.addressing.domain import AddressKind
from outreach.consents.domain import Purpose
from outreach.consents.schemas import Permission
from outreach.contacts.domain import Contact


class NewContact(Schema):
    """Somebody to write to at a cluster."""

    model_config = example(
        address="office@photonics.example",
        name="Office",
        role="Secretariat",
        language="lt",
        phone="+370 600 00000",
        source="Business card",
        obtained_from=None,
    )

    address: ShortText = Field(description="Mail address")
    name: str = Field(default="", max_length=200)
    role: str = Field(default="", max_length=100)
    language: str = Field(default="en", pattern="^[a-z]{2}$")
    phone: str = Field(default="", max_length=40)
    person_id: str | None = Field(default=None, description="per_… when the contact is registered with enrolment")
    source: ShortText
    obtained_from: ShortText | None = Field(
        default=None, description="Null when the contact gave it; else whom we have it from"
    )


class ConsentSummary(BaseModel):
    """What a contact last said about a purpose."""

    state: str
    method: str
    given_at: datetime
    consent_id: str


class ContactView(BaseModel):
    """A contact with what it may be mailed for."""

    contact_id: str
    cluster_id: str
    person_id: str | None
    name: str
    role: str
    kind: AddressKind
    address: str
    language: str
    phone: str
    source: str
    obtained_from: str | None
    obtained_at: datetime
    relation: str | None
    consents: dict[str, ConsentSummary]
    objections: dict[str, datetime]
    permissions: dict[str, Permission] = Field(description="Per purpose: whether a mail may be sent, and by which rule")

    @classmethod
    def of(cls, contact: Contact, country: str | None) -> ContactView:
        """The public side of a contact."""
        decided = {purpose: contact.decide(purpose, country) for purpose in Purpose}
        return cls(
            **contact.model_dump(exclude={"address_hash", "relation"}),
            relation=contact.relation.kind if contact.relation else None,
            permissions={p: Permission(allowed=d.allowed, rule_id=d.rule_id) for p, d in decided.items()},
        )


class ContactList(BaseModel):
    """The contacts of a cluster."""

    items: list[ContactView]


class ContactImportRow(BaseModel):
    """What happened to one row of a contact list."""

    row: int
    external_id: str
    outcome: str = Field(description="created, updated or rejected")
    reason: str | None
    contact_id: str | None


class ContactImport(BaseModel):
    """What importing a contact list did."""

    created: int
    updated: int
    rejected: int
    consents_recorded: int
    rows: list[ContactImportRow]
