"""When a mail may be sent: consent per contact and purpose, legal bases by country, objections. Pure.

Engineering of the rules for direct marketing to business contacts (Directive 2002/58/EC article 13 and its national
forms: DE UWG section 7, FI 917/2014 section 200, SE Marknadsföringslagen, LT electronic communications law). Where a
country is unknown or has no row, the strictest holds. Every send stores the id of the rule that decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from outreach.addressing.domain import AddressKind


class Purpose(StrEnum):
    """What a mail is for; consent is given for each alone."""

    NEWSLETTER = "newsletter"
    EVENT_INVITE = "event_invite"
    PROGRAMME_SERVICE = "programme_service"
    SURVEY = "survey"


class ConsentState(StrEnum):
    """What a contact last said."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class Method(StrEnum):
    """How a consent was declared."""

    DOUBLE_OPT_IN = "double_opt_in"
    SINGLE_OPT_IN = "single_opt_in"
    WRITTEN = "written"


class RelationKind(StrEnum):
    """What connects us to a contact who declared nothing."""

    EXISTING_RELATION = "existing_relation"
    BUSINESS_INTEREST = "business_interest"


class Basis(StrEnum):
    """What a send rests on."""

    CONSENT_DOI = "consent_doi"
    CONSENT_SINGLE = "consent_single"
    SOFT_OPT_IN = "soft_opt_in"
    LEGIT_INTEREST_B2B = "legit_interest_b2b"
    NONE = "none"


class Consent(BaseModel):
    """The state of one purpose."""

    model_config = ConfigDict(frozen=True)

    consent_id: str
    state: ConsentState
    method: Method
    given_at: datetime


@dataclass(frozen=True)
class Decision:
    """Whether a mail may go, and which rule says so."""

    allowed: bool
    rule_id: str


#: Objections to everything; otherwise an objection names its purpose.
ALL_PURPOSES = "all"
STRICTEST = "DE"
_CONSENTED = frozenset({Basis.CONSENT_DOI, Basis.CONSENT_SINGLE, Basis.SOFT_OPT_IN})
_STRICT = frozenset({Basis.CONSENT_DOI, Basis.SOFT_OPT_IN})
_BUSINESS = _CONSENTED | {Basis.LEGIT_INTEREST_B2B}
_ANY = frozenset(Basis)
#: Which bases suffice, by country and kind of address.
SUFFICIENT: Mapping[str, Mapping[AddressKind, frozenset[Basis]]] = {
    # Opt-in also between businesses and for role mailboxes; courts want the individual declaration: double opt-in.
    "DE": {AddressKind.NAMED_WORK: _STRICT, AddressKind.ROLE_MAILBOX: _STRICT, AddressKind.PRIVATE: _STRICT},
    # No opt-in for what essentially concerns a person's work tasks, nor for role mailboxes.
    "FI": {AddressKind.NAMED_WORK: _BUSINESS, AddressKind.ROLE_MAILBOX: _ANY, AddressKind.PRIVATE: _CONSENTED},
    # Consent of natural persons; legal persons may object.
    "SE": {AddressKind.NAMED_WORK: _CONSENTED, AddressKind.ROLE_MAILBOX: _ANY, AddressKind.PRIVATE: _CONSENTED},
    # Opt-in of natural persons; role mailboxes are treated alike.
    "LT": {AddressKind.NAMED_WORK: _CONSENTED, AddressKind.ROLE_MAILBOX: _CONSENTED, AddressKind.PRIVATE: _CONSENTED},
}
#: A relation or a business interest covers news of our own similar courses, not surveys.
_RELATION_PURPOSES = frozenset({Purpose.NEWSLETTER, Purpose.EVENT_INVITE})
_NEEDS_RELATION = frozenset({Basis.SOFT_OPT_IN, Basis.LEGIT_INTEREST_B2B, Basis.NONE})


def basis_of(consent: Consent | None, relation: RelationKind | None) -> Basis:
    """What a send for one purpose would rest on."""
    if consent is not None and consent.state is ConsentState.GIVEN:
        return Basis.CONSENT_DOI if consent.method is Method.DOUBLE_OPT_IN else Basis.CONSENT_SINGLE
    match relation:
        case RelationKind.EXISTING_RELATION:
            return Basis.SOFT_OPT_IN
        case RelationKind.BUSINESS_INTEREST:
            return Basis.LEGIT_INTEREST_B2B
        case None:
            return Basis.NONE


def may_send(purpose: Purpose, kind: AddressKind, country: str | None, basis: Basis) -> Decision:
    """The rule of a country for a basis; the id reads `<country>.<kind>.<basis>.<yes or no>`."""
    ruling = country if country is not None and country in SUFFICIENT else STRICTEST
    allowed = basis in SUFFICIENT[ruling][kind]
    if basis in _NEEDS_RELATION and purpose not in _RELATION_PURPOSES:
        allowed = False
    origin = ruling if ruling == country else f"{ruling}(default)"
    return Decision(allowed, f"{origin}.{kind}.{basis}.{'yes' if allowed else 'no'}")


def decide(
    purpose: Purpose,
    kind: AddressKind,
    country: str | None,
    consents: Mapping[str, Consent],
    relation: RelationKind | None,
    objections: Mapping[str, datetime],
) -> Decision:
    """Whether a contact may be mailed for a purpose. An objection or a withdrawal overrides every basis."""
    if ALL_PURPOSES in objections:
        return Decision(allowed=False, rule_id="suppressed.all")
    if purpose in objections:
        return Decision(allowed=False, rule_id=f"suppressed.{purpose}")
    consent = consents.get(purpose)
    if consent is not None and consent.state is ConsentState.WITHDRAWN:
        return Decision(allowed=False, rule_id="consent.withdrawn")
    return may_send(purpose, kind, country, basis_of(consent, relation))


def stricter(one: Mapping[str, Consent], other: Mapping[str, Consent]) -> dict[str, Consent]:
    """The consents of two entries of one address: for each purpose the more restrictive one.

    A purpose that only one of them was asked about counts as asked: the other entry never refused it.
    """
    united = dict(one)
    for purpose, consent in other.items():
        present = united.get(purpose)
        if present is None or (present.state is ConsentState.GIVEN and consent.state is ConsentState.WITHDRAWN):
            united[purpose] = consent
    return united
