"""Who is told of what: by scope, by organisation, and in whatever order the events come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from cme_contracts import Event, event_type_of
from cme_contracts.assessment import CreditAct, CreditAssessed, EvidenceSubmitted
from cme_contracts.credentials import CredentialIssued, CredentialRevoked
from cme_contracts.curriculum import OfferingCancelled
from cme_contracts.enrolment import (
    AgreementApproved,
    ApplicationRanked,
    ApplicationSubmitted,
    LearnerEnrolled,
    PersonErased,
)
from cme_contracts.outreach import ClusterMerged
from cme_kit.ids import new_id
from gateway.clients.domain import Client
from gateway.webhooks.schemas import WebhookView

from .receivers import Receiver
from .webhook_rig import Rig, rig

__all__ = ["rig"]

EVERYTHING = (
    *("enrolment.applications:read", "enrolment.learners:read", "assessment.transcripts:read"),
    *("credentials.awards:read", "outreach.directory:read"),
)
EVENTS: tuple[type[Event], ...] = (
    *(ApplicationSubmitted, ApplicationRanked, LearnerEnrolled, AgreementApproved, PersonErased),
    *(EvidenceSubmitted, CreditAssessed, CredentialIssued, CredentialRevoked, ClusterMerged, OfferingCancelled),
)
HOME, HOST, OTHER = (new_id("org") for _ in range(3))


class Learner:
    """The events of one learner of HOME."""

    def __init__(self) -> None:
        self.person_id, self.enrolment_id, self.application_id = (new_id(p) for p in ("per", "enr", "app"))
        self.award_id, self.credit_id = new_id("awd"), new_id("crd")

    def submitted(self) -> ApplicationSubmitted:
        return ApplicationSubmitted(
            application_id=self.application_id,
            call_id=new_id("call"),
            person_id=self.person_id,
            organisation_id=HOME,
            country="LT",
        )

    def ranked(self) -> ApplicationRanked:
        return ApplicationRanked(application_id=self.application_id, call_id=new_id("call"), rank=1, decision="offered")

    def enrolled(self) -> LearnerEnrolled:
        return LearnerEnrolled(
            enrolment_id=self.enrolment_id,
            application_id=self.application_id,
            person_id=self.person_id,
            organisation_id=HOME,
            country="LT",
            call_id=new_id("call"),
            cohort_id=new_id("coh"),
            programme_id=new_id("prg"),
            programme_version=1,
        )

    def agreed(self) -> AgreementApproved:
        return AgreementApproved(
            agreement_id=new_id("agr"),
            enrolment_id=self.enrolment_id,
            version=1,
            content_hash="0" * 64,
            unit_ids=[],
            home_organisation_id=HOME,
            host_organisation_id=HOST,
        )

    def handed_in(self) -> EvidenceSubmitted:
        return EvidenceSubmitted(
            submission_id=new_id("sub"),
            enrolment_id=self.enrolment_id,
            unit_id=new_id("unt"),
            sha256="0" * 64,
            size=1,
            media_type="text/plain",
        )

    def assessed(self, institution_id: str) -> CreditAssessed:
        return CreditAssessed(
            credit_id=self.credit_id,
            enrolment_id=self.enrolment_id,
            unit_id=new_id("unt"),
            achieved=True,
            achieved_outcome_ids=[],
            assessed=CreditAct(actor_id=new_id("per"), institution_id=institution_id, on=date(2027, 1, 29)),
        )

    def issued(self) -> CredentialIssued:
        return CredentialIssued(
            credential_id=new_id("cred"),
            award_id=self.award_id,
            edition=1,
            achievement_id=new_id("ach"),
            kind="unit",
            enrolment_id=self.enrolment_id,
            person_id=self.person_id,
            issued_at="2027-02-05T12:00:00Z",  # type: ignore[arg-type]
        )

    def revoked(self) -> CredentialRevoked:
        return CredentialRevoked(
            credential_id=new_id("cred"),
            award_id=self.award_id,
            kind="unit",
            person_id=self.person_id,
            revoked_at="2027-02-06T12:00:00Z",  # type: ignore[arg-type]
        )

    def erased(self) -> PersonErased:
        return PersonErased(person_id=self.person_id)


class Party:
    """A client with one webhook for everything."""

    def __init__(self, webhook: WebhookView, receiver: Receiver) -> None:
        self.webhook = webhook
        self._receiver = receiver

    def told(self) -> list[str]:
        """The events that it was told of, by their aggregate and verb."""
        paths = [got for got in self._receiver.received if got.path == f"/{self.webhook.description}"]
        return sorted(".".join(got.event["type"].split(".")[3:5]) for got in paths)


async def party(rig: Rig, receiver: Receiver, name: str, *scopes: str, **fields: str | bool) -> Party:
    client = await rig.client(*(scopes or EVERYTHING), **fields)
    allowed = [event for event in EVENTS if _may(rig, client, event)]
    url = f"http://127.0.0.1:{receiver.port}/{name}"
    return Party(await rig.webhook(client, url, *allowed, description=name), receiver)


def _may(rig: Rig, client: Client, event: type[Event]) -> bool:
    available = {view.type: view.available for view in rig.webhooks.event_types(client).items}
    return available[event_type_of(event).type]


async def test_each_organisation_is_told_of_its_own_learner_and_operators_of_all(rig: Rig, receiver: Receiver) -> None:
    learner = Learner()
    home = await party(rig, receiver, "home", organisation_id=HOME)
    host = await party(rig, receiver, "host", organisation_id=HOST)
    other = await party(rig, receiver, "other", organisation_id=OTHER)
    operators = await party(rig, receiver, "operators")
    developer = await party(rig, receiver, "developer", owner="per_1")
    sandbox = await party(rig, receiver, "sandbox", sandbox=True)

    for event in (
        learner.submitted(),
        learner.ranked(),
        learner.enrolled(),
        learner.handed_in(),
        learner.agreed(),
        learner.assessed(OTHER),
        learner.issued(),
        learner.revoked(),
        learner.erased(),
        ClusterMerged(cluster_id=new_id("clu"), merged_cluster_id=new_id("clu")),
        OfferingCancelled(offering_id=new_id("off"), programme_id=new_id("prg"), reason="Too few"),
    ):
        await rig.happen(event)
        await rig.turn()

    assert await rig.database.collection("webhook_concerned").find_one({"_id": learner.person_id}) is None
    from_agreement_on = ["agreement.approved", "credential.issued", "credential.revoked", "credit.assessed"]
    of_home = ["application.ranked", "application.submitted", "evidence.submitted", "learner.enrolled"]
    assert home.told() == sorted([*of_home, *from_agreement_on, "offering.cancelled", "person.erased"])
    assert host.told() == sorted([*from_agreement_on, "offering.cancelled", "person.erased"])
    assert other.told() == ["credit.assessed", "offering.cancelled"]
    assert operators.told() == sorted([*home.told(), "cluster.merged"])
    assert developer.told() == ["offering.cancelled"]
    assert sandbox.told() == []


async def test_the_result_is_the_same_when_assessment_is_heard_before_enrolment(rig: Rig, receiver: Receiver) -> None:
    learner = Learner()
    home = await party(rig, receiver, "home", organisation_id=HOME)
    host = await party(rig, receiver, "host", organisation_id=HOST)
    operators = await party(rig, receiver, "operators")

    for event in (learner.revoked(), learner.issued(), learner.handed_in()):
        await rig.happen(event)
    await rig.turn()
    before = home.told()
    await rig.happen(learner.enrolled())
    await rig.turn()
    await rig.happen(learner.agreed())
    await rig.turn()

    assert before == []
    known = ["credential.issued", "credential.revoked", "evidence.submitted"]
    assert home.told() == sorted([*known, "agreement.approved", "learner.enrolled"])
    assert host.told() == ["agreement.approved"]
    assert operators.told() == sorted([*known, "agreement.approved", "learner.enrolled"])


async def test_a_scope_that_a_client_lost_takes_its_events_along(rig: Rig, receiver: Receiver) -> None:
    client = await rig.client("enrolment.learners:read", organisation_id=HOME)
    await rig.webhook(client, receiver.url, LearnerEnrolled)
    narrowed = replace(client, scopes=frozenset({"enrolment.organisations:read"}))
    await rig.transaction(lambda tx: rig.clients.change(tx, narrowed, "test", "scopes"))

    await rig.happen(Learner().enrolled())
    await rig.turn()

    assert receiver.received == []
