"""A sample of every event: one learner's way from the application to the credential, and what surrounds it.

Documents show them, and receivers of webhooks ask for them to try themselves out. Nothing in them exists.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cme_contracts.envelope import SCHEMA_BASE, CloudEvent
from cme_contracts.registry import EventType


def _id(prefix: str, number: int = 1) -> str:
    return f"{prefix}_01kb{number:022}"


_HOME, _HOST = _id("org"), _id("org", 2)
_PERSON, _ENROLMENT, _APPLICATION, _CALL, _COHORT = (_id(p) for p in ("per", "enr", "app", "call", "coh"))
_PROGRAMME, _UNIT, _CREDIT, _AWARD, _CLUSTER = (_id(p) for p in ("prg", "unt", "crd", "awd", "clu"))
_OUTCOMES = [_id("out"), _id("out", 2)]
_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_APPLIED = {"application_id": _APPLICATION, "call_id": _CALL}
_CREDITED = {"credit_id": _CREDIT, "enrolment_id": _ENROLMENT, "unit_id": _UNIT}
_VERSION = {"programme_id": _PROGRAMME, "programme_version": 1}


def _act(person: int, institution_id: str, on: str) -> dict[str, str]:
    return {"actor_id": _id("per", person), "institution_id": institution_id, "on": on}


_ASSESSED, _VALIDATED, _RECOGNISED = (
    _act(2, _HOST, "2027-01-29"),
    _act(3, _HOST, "2027-02-02"),
    _act(4, _HOME, "2027-02-05"),
)

#: By type; the first field is the aggregate that the event is about.
BODIES: dict[str, dict[str, Any]] = {
    "com.clustereducation.enrolment.organisation.registered.v1": {
        "organisation_id": _HOME,
        "name": "Baltic Wood Cluster",
        "country": "LT",
        "kind": "cluster",
    },
    "com.clustereducation.enrolment.person.registered.v1": {
        "person_id": _PERSON,
        "given_name": "Ona",
        "family_name": "Example",
        "email": "ona@example.org",
        "language": "lt",
    },
    "com.clustereducation.enrolment.person.erased.v1": {"person_id": _PERSON},
    "com.clustereducation.enrolment.call.opened.v1": {
        "call_id": _CALL,
        "cohort_id": _COHORT,
        **_VERSION,
        "seats": 20,
        "opens_at": "2026-03-01T08:00:00Z",
        "closes_at": "2026-04-15T22:00:00Z",
    },
    "com.clustereducation.enrolment.application.submitted.v1": {
        **_APPLIED,
        "person_id": _PERSON,
        "organisation_id": _HOME,
        "country": "LT",
    },
    "com.clustereducation.enrolment.application.ranked.v1": {**_APPLIED, "rank": 3, "decision": "offered"},
    "com.clustereducation.enrolment.seat.offered.v1": {
        "offer_id": _id("ofr"),
        **_APPLIED,
        "answer_by": "2026-05-15T22:00:00Z",
    },
    "com.clustereducation.enrolment.seat.declined.v1": {"offer_id": _id("ofr"), **_APPLIED},
    "com.clustereducation.enrolment.seat.expired.v1": {"offer_id": _id("ofr"), **_APPLIED},
    "com.clustereducation.enrolment.learner.enrolled.v1": {
        "enrolment_id": _ENROLMENT,
        **_APPLIED,
        "person_id": _PERSON,
        "organisation_id": _HOME,
        "country": "LT",
        "cohort_id": _COHORT,
        **_VERSION,
    },
    "com.clustereducation.enrolment.learner.withdrawn.v1": {
        "enrolment_id": _ENROLMENT,
        "person_id": _PERSON,
        "cohort_id": _COHORT,
        "reason_code": "job_change",
        "withdrawn_on": "2026-11-30",
    },
    "com.clustereducation.enrolment.agreement.approved.v1": {
        "agreement_id": _id("agr"),
        "enrolment_id": _ENROLMENT,
        "version": 1,
        "content_hash": _HASH,
        "unit_ids": [_UNIT],
        "home_organisation_id": _HOME,
        "host_organisation_id": _HOST,
    },
    "com.clustereducation.curriculum.programme.published.v1": {
        "programme_id": _PROGRAMME,
        "version": 1,
        "slug": "cluster-manager",
        "title": {"en": "Cluster Manager"},
        "summary": {"en": "One year for managers of business clusters."},
        "eqf_level": 6,
        "points": 15,
        "content_hash": _HASH,
        "published_at": "2026-02-20T10:00:00Z",
        "units": [
            {
                "unit_id": _UNIT,
                "code": "M1",
                "module": 1,
                "title": {"en": "Cluster strategy"},
                "points": 15,
                "host": "Baltic Wood Cluster",
                "assessment_method": {"en": "A strategy paper"},
                "outcomes": [
                    {
                        "outcome_id": _OUTCOMES[0],
                        "code": "M1-K1",
                        "kind": "knowledge",
                        "statement": {"en": "Knows how clusters create value"},
                        "required": True,
                        "esco_uris": [],
                    },
                    {
                        "outcome_id": _OUTCOMES[1],
                        "code": "M1-S1",
                        "kind": "skills",
                        "statement": {"en": "Writes a strategy for a cluster"},
                        "required": True,
                        "esco_uris": [],
                    },
                ],
            }
        ],
    },
    "com.clustereducation.curriculum.offering.published.v1": {
        "offering_id": _id("off"),
        **_VERSION,
        "title": {"en": "Cluster Manager 2026/27"},
        "starts_on": "2026-09-01",
        "ends_on": "2027-06-30",
    },
    "com.clustereducation.curriculum.offering.cancelled.v1": {
        "offering_id": _id("off"),
        "programme_id": _PROGRAMME,
        "reason": "Too few applications",
    },
    "com.clustereducation.assessment.evidence.submitted.v1": {
        "submission_id": _id("sub"),
        "enrolment_id": _ENROLMENT,
        "unit_id": _UNIT,
        "sha256": _HASH,
        "size": 48213,
        "media_type": "application/pdf",
    },
    "com.clustereducation.assessment.credit.assessed.v1": {
        **_CREDITED,
        "achieved": True,
        "achieved_outcome_ids": _OUTCOMES,
        "assessed": _ASSESSED,
    },
    "com.clustereducation.assessment.mark.amended.v1": {
        "credit_id": _CREDIT,
        "appeal_id": _id("apl"),
        "enrolment_id": _ENROLMENT,
        "unit_id": _UNIT,
        "achieved": True,
        "achieved_outcome_ids": _OUTCOMES,
    },
    "com.clustereducation.assessment.credit.validated.v1": {**_CREDITED, "validated": _VALIDATED},
    "com.clustereducation.assessment.credit.recognised.v1": {
        **_CREDITED,
        "person_id": _PERSON,
        **_VERSION,
        "points": 15,
        "achieved_outcome_ids": _OUTCOMES,
        "assessed": _ASSESSED,
        "validated": _VALIDATED,
        "recognised": _RECOGNISED,
    },
    "com.clustereducation.assessment.programme.completed.v1": {
        "enrolment_id": _ENROLMENT,
        "person_id": _PERSON,
        **_VERSION,
        "points": 15,
        "credit_ids": [_CREDIT],
        "completed_on": "2027-02-05",
    },
    "com.clustereducation.credentials.credential.issued.v1": {
        "credential_id": _id("cred"),
        "award_id": _AWARD,
        "edition": 1,
        "achievement_id": _id("ach"),
        "kind": "programme",
        "enrolment_id": _ENROLMENT,
        "person_id": _PERSON,
        "issued_at": "2027-02-05T12:00:00Z",
    },
    "com.clustereducation.credentials.credential.revoked.v1": {
        "credential_id": _id("cred"),
        "award_id": _AWARD,
        "kind": "programme",
        "person_id": _PERSON,
        "revoked_at": "2027-03-01T09:00:00Z",
    },
    "com.clustereducation.gateway.webhook.disabled.v1": {
        "webhook_id": _id("hook"),
        "reason": "failing",
        "failing_since": "2026-11-01T06:00:00Z",
        "disabled_at": "2026-11-06T06:30:00Z",
    },
    "com.clustereducation.outreach.cluster.registered.v1": {"cluster_id": _CLUSTER, "country": "FI"},
    "com.clustereducation.outreach.cluster.merged.v1": {"cluster_id": _CLUSTER, "merged_cluster_id": _id("clu", 2)},
    "com.clustereducation.outreach.consent.recorded.v1": {
        "consent_id": _id("cns"),
        "contact_id": _id("con"),
        "purpose": "newsletter",
        "state": "given",
        "recorded_at": "2026-10-12T07:30:00Z",
    },
    "com.clustereducation.outreach.campaign.started.v1": {
        "campaign_id": _id("cmp"),
        "purpose": "newsletter",
        "recipients": 120,
    },
    "com.clustereducation.outreach.campaign.finished.v1": {
        "campaign_id": _id("cmp"),
        "sent": 118,
        "failed": 1,
        "suppressed": 1,
        "in_doubt": 0,
    },
    "com.clustereducation.outreach.touchpoint.recorded.v1": {
        "touchpoint_id": _id("tpt"),
        "cluster_id": _CLUSTER,
        "tier": "engaged",
        "kind": "interest_registered",
        "occurred_on": "2026-10-20",
    },
    "com.clustereducation.outreach.label.awarded.v1": {
        "label_id": _id("lbl"),
        "cluster_id": _CLUSTER,
        "level": "gold",
        "awarded_on": "2026-06-01",
        "valid_until": "2028-05-31",
    },
}
_WHEN = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
_EVENT_ID = UUID("019ac4a2-8d00-7000-8000-000000000001")


def example_of(
    event_type: EventType,
    event_id: UUID = _EVENT_ID,
    at: datetime = _WHEN,
    changes: Mapping[str, Any] | None = None,
) -> CloudEvent:
    """A sample of an event in its envelope, marked as one; `changes` replace fields of its body.

    Raises pydantic's ValidationError for changes that the event cannot have.
    """
    whole = {**BODIES[event_type.type], **(changes or {})}
    body = event_type.model.model_validate(whole).model_dump(mode="json")
    return CloudEvent(
        id=event_id,
        source=f"/{event_type.service}",
        type=event_type.type,
        subject=next(iter(body.values())),
        time=at,
        dataschema=SCHEMA_BASE + event_type.schema_file,
        sequence=1,
        test=True,
        data=body,
    )
