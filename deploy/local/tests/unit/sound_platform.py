"""A small platform whose records keep every invariant: what the tests of the auditor damage."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cme_local.check.records import (
    COMPLETED,
    ERASED,
    ISSUED,
    RECOGNISED,
    REVOKED,
    Message,
    Records,
    Stream,
    Subscription,
)
from gateway.audit.domain import GENESIS, hash_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = 86_400


def _row(number: int, type_: str, aggregate: str, sequence: int = 1, **data: Any) -> dict[str, Any]:
    tail = type_.removeprefix("com.clustereducation.")
    root = "cme.personal" if "person.registered" in type_ else "cme"
    return {
        "_id": f"e{number}",
        "aggregate": aggregate,
        "sequence": sequence,
        "type": type_,
        "nats_subject": f"{root}.{tail}",
        "created": NOW - timedelta(hours=1),
        "published": True,
        "emptied": not data,
        "data": data,
    }


def _act(actor: str, institution: str) -> dict[str, str]:
    return {"actor_id": actor, "institution_id": institution, "on": "2026-04-01"}


def _credential(number: int, award: str, edition: int, state: str) -> dict[str, Any]:
    entry = {"statusListCredential": "http://x/credentials/v1/status/1", "statusListIndex": str(number)}
    document = {"id": f"cred{number}", "credentialStatus": entry}
    return {
        "_id": f"cred{number}",
        "award_id": award,
        "edition": edition,
        "state": state,
        "status_list": 1,
        "status_index": number,
        "canonical": "<…>",
        "document": json.dumps(document),
        "signed": json.dumps(document | {"proof": {}}),
        "issued_at": NOW,
    } | ({"revoked_at": NOW} if state == "revoked" else {})


def status_list(*bits: int) -> str:
    """A signed list with these bits set."""
    octets = bytearray(16)
    for bit in bits:
        octets[bit // 8] |= 0x80 >> bit % 8
    encoded = "u" + base64.urlsafe_b64encode(gzip.compress(bytes(octets))).decode().rstrip("=")
    return json.dumps({"credentialSubject": {"encodedList": encoded}})


def _enrolment() -> dict[str, list[dict[str, Any]]]:
    registered = "com.clustereducation.enrolment.person.registered.v1"
    return {
        "outbox": [_row(1, registered, "per1"), _row(2, ERASED, "per1", 2, person_id="per1")],
        "inbox": [],
        "calls": [
            {
                "_id": "call1",
                "seats": 2,
                "seats_left": 1,
                "offers_open": 1,
                "held": {"SE": 1, "FI": 1, "DE": 0},
                "starts_on": "2026-09-01",
            }
        ],
        "offers": [
            {"_id": "ofr1", "call_id": "call1", "country": "SE", "state": "accepted", "enrolment_id": "enr1"},
            {"_id": "ofr2", "call_id": "call1", "country": "FI", "state": "open", "enrolment_id": None},
            {"_id": "ofr3", "call_id": "call1", "country": "DE", "state": "accepted", "enrolment_id": "enr3"},
        ],
        "learners": [
            {"_id": "enr1", "offer_id": "ofr1", "call_id": "call1", "country": "SE", "withdrawal": None},
            {
                "_id": "enr3",
                "offer_id": "ofr3",
                "call_id": "call1",
                "country": "DE",
                "withdrawal": {"withdrawn_on": "2026-08-01", "note": ""},
            },
        ],
        "applications": [{"_id": "app1", "person_id": "per1", "motivation": "", "scores": [{"comment": ""}]}],
        "people": [{"_id": "per1", "erased_at": NOW, "reason": "asked", "decided_by": "per9"}],
    }


def _assessment() -> dict[str, list[dict[str, Any]]]:
    credit = {
        "_id": "crd1",
        "enrolment_id": "enr1",
        "person_id": "per1",
        "unit_id": "unt1",
        "state": "recognised",
        "achieved": True,
        "points_targeted": 5,
        "assessed": _act("per2", "org1"),
        "validated": _act("per3", "org1"),
        "recognised": _act("per4", "org2"),
        "feedback": "",
        "statement": None,
    }
    recognised = _row(3, RECOGNISED, "crd1", enrolment_id="enr1", unit_id="unt1", points=5)
    completed = _row(4, COMPLETED, "enr1", enrolment_id="enr1", points=5, credit_ids=["crd1"])
    unit = {"unit_id": "unt1", "credit_id": "crd1", "points": 5}
    learner = {"_id": "enr1", "person_id": "per1", "recognised": [unit], "completed_on": "2026-04-01", "erased": True}
    return {
        "outbox": [recognised, completed],
        "inbox": [{"_id": "e2", "applied_at": NOW}],
        "credits": [credit],
        "learners": [learner],
        "submissions": [{"_id": "sub1", "enrolment_id": "enr1", "title": ""}],
        "contents": [],
        "appeals": [{"_id": "apl1", "person_id": "per1", "grounds": ""}],
    }


def _credentials() -> dict[str, list[dict[str, Any]]]:
    award = {"_id": "awd1", "enrolment_id": "enr1", "unit_id": "unt1", "kind": "unit"}
    return {
        "outbox": [
            _row(5, ISSUED, "awd1", 1, credential_id="cred1"),
            _row(6, REVOKED, "awd1", 2, credential_id="cred1"),
            _row(7, ISSUED, "awd1", 3, credential_id="cred2"),
            _row(8, ISSUED, "awd2", 1, credential_id="cred3"),
        ],
        "inbox": [{"_id": one, "applied_at": NOW} for one in ("e2", "e3", "e4")],
        "awards": [
            award | {"state": "issued", "edition": 2, "credential_id": "cred2"},
            award | {"_id": "awd2", "unit_id": None, "state": "issued", "edition": 1, "credential_id": "cred3"},
        ],
        "credentials": [
            _credential(1, "awd1", 1, "revoked"),
            _credential(2, "awd1", 2, "issued"),
            _credential(3, "awd2", 1, "issued"),
        ],
        "status_lists": [{"_id": 1, "signed": status_list(1)}],
        "people": [{"_id": "per1", "erased": True}],
    }


def _outreach() -> dict[str, list[dict[str, Any]]]:
    consent = {"_id": "cns1", "contact_id": "con1", "purpose": "survey", "state": "given"}
    send = {"_id": "snd1", "contact_id": "con1", "address_hash": "h1", "purpose": "survey", "state": "sent"}
    return {
        "outbox": [],
        "inbox": [{"_id": "e2", "applied_at": NOW}],
        "sends": [send | {"rule_id": "DE.named_work.consent_doi.yes", "claimed_at": NOW}],
        "consents": [consent | {"given_at": NOW - timedelta(days=9), "recorded_at": NOW - timedelta(days=8)}],
        "contacts": [{"_id": "con1", "person_id": None, "consents": {"survey": {"consent_id": "cns1"}}}],
        "suppressions": [{"_id": "h1", "scopes": {"newsletter": {"at": NOW - timedelta(days=1)}}}],
        "touchpoints": [{"_id": "tpt1", "person_id": None}],
    }


def _review() -> dict[str, Any]:
    words = {"person_id": "per1", "text": "", "statement": ""}
    return {"_id": "rev1", "invited": ["per1"], "comments": [words], "votes": [words]}


def _gateway() -> dict[str, list[dict[str, Any]]]:
    entries: list[dict[str, Any]] = []
    previous = GENESIS
    for number in (1, 2, 3):
        content = (NOW, "client.registered", "boot", f"client{number}", {"profile": "fapi"}, previous)
        names = ("at", "act", "actor", "subject", "details", "previous")
        previous = hash_of(number, *content)
        entries.append(dict(zip(names, content, strict=True)) | {"_id": number, "hash": previous})
    head = {"_id": "head", "number": 3, "hash": previous}
    return {"outbox": [], "inbox": [], "audit_entries": entries, "audit_heads": [head]}


def documents() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The databases."""
    found = {
        "enrolment": _enrolment(),
        "curriculum": {"outbox": [], "inbox": [{"_id": "e2", "applied_at": NOW}], "reviews": [_review()]},
        "assessment": _assessment(),
        "credentials": _credentials(),
        "gateway": _gateway(),
        "outreach": _outreach(),
    }
    for row in (*found["enrolment"]["offers"], *found["enrolment"]["learners"]):
        row |= {"person_id": "per8", "reason": None}
    return found


def stream(name: str, subject: str, *messages: tuple[str, str], days: int = 400) -> Stream:
    """A stream with (event id, its subject's tail) in order."""
    root = subject.removesuffix(">")
    numbered = [Message(number, f"{root}{tail}", event_id) for number, (event_id, tail) in enumerate(messages, start=1)]
    return Stream(name, (subject,), days * DAY, len(numbered), tuple(numbered))


def streams() -> dict[str, Stream]:
    """What was published. e1, with personal data, was emptied and has left its stream by age."""
    issued, revoked = "credential.issued.v1", "credential.revoked.v1"
    credentials = (("e5", issued), ("e6", revoked), ("e8", issued), ("e7", issued))
    made = [
        stream("CME_ENROLMENT", "cme.enrolment.>", ("e2", "person.erased.v1")),
        stream("CME_ENROLMENT_PERSONAL", "cme.personal.enrolment.>", days=30),
        stream("CME_ASSESSMENT", "cme.assessment.>", ("e3", "credit.recognised.v1"), ("e4", "programme.completed.v1")),
        stream("CME_CREDENTIALS", "cme.credentials.>", *credentials),
    ]
    return {one.name: one for one in made}


def subscriptions() -> list[Subscription]:
    """Who listens to what; everything is settled."""
    erasure = ("cme.enrolment.person.erased.v1",)
    listening = [Subscription(one, "CME_ENROLMENT", erasure, 9) for one in ("curriculum", "assessment", "outreach")]
    return [
        *listening,
        Subscription("credentials", "CME_ENROLMENT", erasure, 9),
        Subscription(
            "credentials", "CME_ASSESSMENT", ("cme.assessment.*.recognised.v1", "cme.assessment.programme.>"), 9
        ),
    ]


def records(**changed: Any) -> Records:
    """The sound platform, with parts of it replaced."""
    parts: dict[str, Any] = {
        "at": NOW,
        "documents": documents(),
        "streams": tuple(streams().values()),
        "subscriptions": tuple(subscriptions()),
    }
    return Records(**(parts | changed))
