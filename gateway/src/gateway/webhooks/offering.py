"""Which events are offered, to whom: the one table.

A client is told of an event when it has the scope and its organisation is concerned. Which organisations an event
concerns, its fields say, or earlier events about the same records did. An event that names none is for the operators'
own systems, which act for no organisation. Events with personal data are not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cme_contracts import Event, EventType, event_type_of
from cme_contracts.assessment import (
    CreditAssessed,
    CreditRecognised,
    CreditValidated,
    EvidenceSubmitted,
    MarkAmended,
    ProgrammeCompleted,
)
from cme_contracts.credentials import CredentialIssued, CredentialRevoked
from cme_contracts.curriculum import OfferingCancelled, OfferingPublished, ProgrammePublished
from cme_contracts.enrolment import (
    AgreementApproved,
    ApplicationRanked,
    ApplicationSubmitted,
    CallOpened,
    LearnerEnrolled,
    LearnerWithdrawn,
    OrganisationRegistered,
    PersonErased,
    SeatDeclined,
    SeatExpired,
    SeatOffered,
)
from cme_contracts.gateway import WebhookDisabled
from cme_contracts.outreach import (
    CampaignFinished,
    CampaignStarted,
    ClusterMerged,
    ClusterRegistered,
    ConsentRecorded,
    LabelAwarded,
    TouchpointRecorded,
)

from gateway.clients.domain import Client
from gateway.webhooks.domain import Message

_APPLICATIONS = "enrolment.applications:read"
_LEARNERS = "enrolment.learners:read"
_RESULTS = "assessment.transcripts:read"
_AWARDS = "credentials.awards:read"
_DIRECTORY = "outreach.directory:read"
_INDICATORS = "outreach.indicators:read"


class Audience(StrEnum):
    """Who may be told of an event."""

    EVERYBODY = "everybody"
    #: Whose organisation it concerns.
    CONCERNED = "concerned"
    #: The programme's own systems.
    OPERATORS = "operators"
    #: Whose webhook it is about.
    OWNER = "owner"


@dataclass(frozen=True)
class Offer:
    """One event: the scope it asks for, and how its organisations are known."""

    event_type: EventType
    #: None for what everybody may know.
    scope: str | None
    #: Whether it concerns every organisation.
    everyone: bool = False
    #: Fields that hold an organisation's id.
    named: tuple[str, ...] = ()
    #: Fields that hold the id of a record whose organisations earlier events told.
    through: tuple[str, ...] = ()
    #: Fields that hold the id of a record that concerns the same organisations from now on.
    tells: tuple[str, ...] = ()
    #: Fields that hold the id of a record to which nothing more happens.
    ends: tuple[str, ...] = ()

    @property
    def audience(self) -> Audience:
        """Who may be told of it."""
        if not self.event_type.on_bus:
            return Audience.OWNER
        if self.everyone:
            return Audience.EVERYBODY
        return Audience.CONCERNED if self.named or self.through else Audience.OPERATORS


def _public(event: type[Event]) -> Offer:
    return Offer(event_type_of(event), None, everyone=True)


def _operators(event: type[Event], scope: str) -> Offer:
    return Offer(event_type_of(event), scope)


def _partners(
    event: type[Event],
    scope: str,
    *,
    named: tuple[str, ...] = (),
    through: tuple[str, ...] = (),
    tells: tuple[str, ...] = (),
    ends: tuple[str, ...] = (),
) -> Offer:
    return Offer(event_type_of(event), scope, named=named, through=through, tells=tells, ends=ends)


_LEARNER = ("enrolment_id",)
_CREDIT = ("enrolment_id", "credit_id")
_ASSESSED, _VALIDATED, _RECOGNISED = (
    "assessed.institution_id",
    "validated.institution_id",
    "recognised.institution_id",
)

# Whoever is told of a person by id is told of the person's erasure: every event with a `person_id` tells of it.
_TABLE = (
    _public(CallOpened),
    _public(ProgrammePublished),
    _public(OfferingPublished),
    _public(OfferingCancelled),
    Offer(event_type_of(OrganisationRegistered), "enrolment.organisations:read", everyone=True),
    _partners(ApplicationSubmitted, _APPLICATIONS, named=("organisation_id",), tells=("application_id", "person_id")),
    _partners(ApplicationRanked, _APPLICATIONS, through=("application_id",)),
    _partners(SeatOffered, _APPLICATIONS, through=("application_id",)),
    _partners(SeatDeclined, _APPLICATIONS, through=("application_id",)),
    _partners(SeatExpired, _APPLICATIONS, through=("application_id",)),
    _partners(LearnerEnrolled, _LEARNERS, named=("organisation_id",), tells=("enrolment_id", "person_id")),
    _partners(LearnerWithdrawn, _LEARNERS, through=_LEARNER, tells=("person_id",)),
    _partners(
        AgreementApproved,
        _LEARNERS,
        named=("home_organisation_id", "host_organisation_id"),
        through=_LEARNER,
        tells=_LEARNER,
    ),
    _partners(PersonErased, _LEARNERS, through=("person_id",), ends=("person_id",)),
    _partners(EvidenceSubmitted, _RESULTS, through=_LEARNER),
    _partners(CreditAssessed, _RESULTS, named=(_ASSESSED,), through=_CREDIT, tells=("credit_id",)),
    _partners(MarkAmended, _RESULTS, through=_CREDIT),
    _partners(CreditValidated, _RESULTS, named=(_VALIDATED,), through=_CREDIT, tells=("credit_id",)),
    _partners(
        CreditRecognised,
        _RESULTS,
        named=(_ASSESSED, _VALIDATED, _RECOGNISED),
        through=_CREDIT,
        tells=("credit_id", "person_id"),
    ),
    _partners(ProgrammeCompleted, _RESULTS, through=_LEARNER, tells=("person_id",)),
    _partners(CredentialIssued, _AWARDS, through=_LEARNER, tells=("award_id", "person_id")),
    _partners(CredentialRevoked, _AWARDS, through=("award_id",), tells=("person_id",)),
    _operators(ClusterRegistered, _DIRECTORY),
    _operators(ClusterMerged, _DIRECTORY),
    _operators(ConsentRecorded, _DIRECTORY),
    _operators(LabelAwarded, _DIRECTORY),
    _operators(CampaignStarted, _INDICATORS),
    _operators(CampaignFinished, _INDICATORS),
    _operators(TouchpointRecorded, _INDICATORS),
    # Goes to the webhooks of the client whose webhook it is about, and to no other's.
    Offer(event_type_of(WebhookDisabled), None),
)
OFFERED: Mapping[str, Offer] = {offer.event_type.type: offer for offer in _TABLE}
DISABLED_TYPE = event_type_of(WebhookDisabled)


def values_of(body: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[str]:
    """What an event's body has in these fields (`assessed.institution_id` is a field of a field)."""
    for path in fields:
        found: Any = body
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            yield found


def may_know(client: Client, type_: str) -> bool:
    """Whether a client may be told of events of this type at all."""
    offer = OFFERED.get(type_)
    return offer is not None and (offer.scope is None or offer.scope in client.scopes)


def may_see(client: Client, message: Message) -> bool:
    """Whether a client may be told of this event."""
    if message.client_id is not None:
        return message.client_id == client.client_id
    if client.sandbox is not message.sandbox or not may_know(client, message.type):
        return False
    offer = OFFERED[message.type]
    if not offer.event_type.on_bus:  # about one client's webhooks
        return False
    if client.sandbox:  # all of it is made up, and nobody's
        return True
    if offer.everyone or _oversees(client):
        return True
    return client.organisation_id is not None and client.organisation_id in message.organisations


def _oversees(client: Client) -> bool:
    """Whether a client is a system of the operators': it acts for no organisation, and no partner made it."""
    return client.organisation_id is None and client.owner is None
