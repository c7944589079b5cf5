"""Awards and credentials: their states, and the Open Badges document of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from credentials.achievements.domain import Achievement, achievement_document, english, result_id
from credentials.jsonld.domain import Json
from credentials.proofs.domain import moment_text
from credentials.status.domain import status_entry

CONTEXTS = [
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
]
SCHEMA = {
    "id": "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json",
    "type": "1EdTechJsonSchemaValidator2019",
}


class AwardState(StrEnum):
    """What a holder is told."""

    PENDING = "pending"
    ISSUED = "issued"
    REVOKED = "revoked"


class CredentialState(StrEnum):
    """How far a credential is; each step is stored before the next begins."""

    INTENT = "intent"
    SIGNED = "signed"
    ISSUED = "issued"
    REVOKED = "revoked"


class Act(BaseModel):
    """One step of the ECVET chain as a credential mentions it: which institution, when; never which person."""

    model_config = ConfigDict(frozen=True)

    step: str
    institution_id: str
    on: date


class Attestation(BaseModel):
    """What was attested, as assessment stated it; a reissue says the same."""

    model_config = ConfigDict(frozen=True)

    points: int
    achieved_ids: list[str]
    acts: list[Act]
    attested_on: date


class Award(BaseModel):
    """One learner's achievement. There is one per enrolment and achievement, whatever is redelivered."""

    model_config = ConfigDict(frozen=True)

    award_id: str
    achievement_id: str
    kind: str
    person_id: str
    enrolment_id: str
    unit_id: str | None
    attestation: Attestation
    state: AwardState
    edition: int
    credential_id: str
    issued_at: datetime | None = None
    revoked_at: datetime | None = None
    revocation_reason: str | None = None
    #: Why this edition replaced the one before.
    reissue_reason: str | None = None


@dataclass(frozen=True)
class Credential:
    """One edition of an award's credential; `signed` is None until it is signed."""

    credential_id: str
    award_id: str
    edition: int
    state: CredentialState
    status_list: int
    status_index: int
    document: Json
    canonical: str
    created_at: datetime
    signed: Json | None = None
    #: Of the request or event that caused it, so that signing later belongs to the same trace.
    traceparent: str | None = None


def credential_url(public_url: str, credential_id: str) -> str:
    """The public page of a credential, which is its id."""
    return f"{public_url}/badges/{credential_id}"


def hashed_email(email: str, salt: str) -> str:
    """The identity hash of an e-mail (OB 3.0 section B.1.10)."""
    return "sha256$" + hashlib.sha256((email + salt).encode()).hexdigest()


def identifiers(person_id: str, email: str | None, salt: str) -> list[Json]:
    """Who the subject is, without saying it to strangers: our id of the person and the salted hash of the e-mail."""
    own: Json = {"type": "IdentityObject", "hashed": False, "identityHash": person_id, "identityType": "systemId"}
    if email is None:
        return [own]
    hashed = {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": hashed_email(email, salt),
        "identityType": "emailAddress",
        "salt": salt,
    }
    return [hashed, own]


def compose_credential(
    public_url: str,
    issuer: Json,
    credential_id: str,
    achievement: Achievement,
    attestation: Attestation,
    subject_identifiers: list[Json],
    institutions: dict[str, str],
    place: tuple[int, int],
    valid_from: datetime,
) -> Json:
    """The unsigned OpenBadgeCredential (Open Badges 3.0 section B.1.15 on VC Data Model 2.0).

    It names no person: what a stranger who finds it learns is what was achieved, where and when.
    """
    return {
        "@context": CONTEXTS,
        "id": credential_url(public_url, credential_id),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": english(achievement.title),
        "issuer": issuer,
        "validFrom": moment_text(valid_from),
        "awardedDate": f"{attestation.attested_on.isoformat()}T00:00:00Z",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": subject_identifiers,
            "achievement": achievement_document(public_url, achievement),
            "creditsEarned": attestation.points,
            "result": [
                {
                    "type": ["Result"],
                    "resultDescription": result_id(public_url, achievement.achievement_id, achieved),
                    "status": "Completed",
                }
                for achieved in attestation.achieved_ids
            ],
        },
        "evidence": [
            {
                "type": ["Evidence"],
                "name": act.step,
                "narrative": f"{act.step} on {act.on.isoformat()} by {institutions[act.institution_id]}.",
            }
            for act in attestation.acts
        ],
        "credentialStatus": status_entry(public_url, *place),
        "credentialSchema": [SCHEMA],
    }
