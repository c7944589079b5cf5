"""Contacts: whom we know at a cluster, how, and what they said."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from outreach.addressing.domain import AddressKind
from outreach.consents.domain import Consent, Decision, Purpose, RelationKind, decide, stricter


class Relation(BaseModel):
    """A documented connection to a contact who gave no consent."""

    model_config = ConfigDict(frozen=True)

    kind: RelationKind
    since: datetime
    source: str


class Contact(BaseModel):
    """A person or a role mailbox at a cluster organisation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contact_id: str
    cluster_id: str
    person_id: str | None = None
    name: str
    role: str
    kind: AddressKind
    address: str
    address_hash: str
    language: str
    phone: str
    source: str
    obtained_from: str | None
    obtained_at: datetime
    relation: Relation | None = None
    consents: dict[str, Consent] = {}
    objections: dict[str, datetime] = {}

    def decide(self, purpose: Purpose, country: str | None) -> Decision:
        """Whether this contact may be mailed for a purpose, and which rule says so."""
        relation = self.relation.kind if self.relation else None
        return decide(purpose, self.kind, country, self.consents, relation, self.objections)

    def united_with(self, other: Contact) -> Contact:
        """This contact after another entry of the same address was found: the restrictive side of each wins."""
        return self.model_copy(
            update={
                "consents": stricter(self.consents, other.consents),
                "objections": {**other.objections, **self.objections},
                "relation": self.relation if other.relation else None,
                "name": self.name or other.name,
                "role": self.role or other.role,
                "phone": self.phone or other.phone,
                "person_id": self.person_id or other.person_id,
            }
        )
