"""The checks of a credential and what each can say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from credentials.jsonld.domain import Json, as_list

#: Clocks of issuer and verifier may differ this much.
LEEWAY = timedelta(minutes=2)
_BAKED = re.compile(r"<openbadges:credential\b[^>]*>\s*<!\[CDATA\[(.*?)\]\]>\s*</openbadges:credential>", re.DOTALL)


class CheckName(StrEnum):
    """What is checked."""

    CONTEXT = "context"
    SCHEMA = "schema"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    VALIDITY = "validity"
    STATUS = "status"


class Result(StrEnum):
    """What a check found; unknown is neither good nor bad."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One check and its result; `detail` is for whoever helps, in English."""

    check: CheckName
    result: Result
    detail: str


@dataclass(frozen=True)
class Verdict:
    """All checks. A credential is verified when every one passed."""

    checks: tuple[Check, ...]
    verified_at: datetime

    @property
    def verified(self) -> bool:
        """Whether every check passed."""
        return all(check.result is Result.PASSED for check in self.checks)

    def result_of(self, name: CheckName) -> Result:
        """The result of one check."""
        return next(check.result for check in self.checks if check.check is name)


def issuer_id(document: Json) -> str | None:
    """The id of the issuer, given as text or as a profile."""
    issuer = document.get("issuer")
    named = issuer.get("id") if isinstance(issuer, dict) else issuer
    return named if isinstance(named, str) else None


def check_schema(document: Json) -> Check:
    """The members that Open Badges 3.0 requires (section B.1.15), with their types."""
    missing = _missing(document)
    if missing:
        return Check(CheckName.SCHEMA, Result.FAILED, f"Missing or of the wrong type: {', '.join(missing)}.")
    return Check(CheckName.SCHEMA, Result.PASSED, "OpenBadgeCredential of Open Badges 3.0")


def _missing(document: Json) -> list[str]:
    types = as_list(document.get("type"))
    subject = document.get("credentialSubject")
    subject = subject if isinstance(subject, dict) else {}
    achievement = subject.get("achievement")
    achievement = achievement if isinstance(achievement, dict) else {}
    found = {
        "id": isinstance(document.get("id"), str),
        "type VerifiableCredential": "VerifiableCredential" in types,
        "type OpenBadgeCredential": bool({"OpenBadgeCredential", "AchievementCredential"} & _texts(types)),
        "issuer": issuer_id(document) is not None,
        "validFrom": isinstance(document.get("validFrom", document.get("issuanceDate")), str),
        "validUntil": isinstance(document.get("validUntil", document.get("expirationDate", "")), str),
        "credentialSubject": bool(subject),
        "credentialSubject.id or identifier": bool(subject.get("id") or subject.get("identifier")),
        "credentialSubject.achievement": bool(achievement),
        **{f"achievement.{name}": isinstance(achievement.get(name), str) for name in ("id", "name", "description")},
        "achievement.criteria": isinstance(achievement.get("criteria"), dict),
    }
    return [name for name, there in found.items() if not there]


def _texts(values: list[Any]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def check_validity(document: Json, now: datetime) -> Check:
    """The period in which the credential and its proof hold (VC Data Model 2.0 section 4.9)."""
    proof = as_list(document.get("proof"))[0]
    expires = proof.get("expires") if isinstance(proof, dict) else None
    texts = {
        "from": document.get("validFrom", document.get("issuanceDate")),
        "until": document.get("validUntil", document.get("expirationDate")),
        "proof until": expires,
    }
    try:
        moments = {name: _moment(text) for name, text in texts.items() if text is not None}
    except ValueError:
        return Check(CheckName.VALIDITY, Result.FAILED, "A date of the credential cannot be read.")
    detail = ", ".join(f"{name} {text}" for name, text in texts.items() if text is not None) or "no dates"
    begun = "from" not in moments or moments["from"] <= now + LEEWAY
    over = any(moments[name] < now - LEEWAY for name in ("until", "proof until") if name in moments)
    return Check(CheckName.VALIDITY, Result.PASSED if begun and not over else Result.FAILED, detail)


def _moment(text: Any) -> datetime:
    if not isinstance(text, str):
        raise ValueError("a date is a text")  # noqa: TRY004  (one error for all that cannot be read)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a date needs a time zone")
    return moment


def baked_document(svg: str) -> str | None:
    """The JSON text inside a baked SVG badge (OB 3.0 section 5.3.2), or None."""
    match = _BAKED.search(svg)
    return match[1] if match else None
