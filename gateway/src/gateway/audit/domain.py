"""What the audit trail keeps, and how its entries are chained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: What the first entry follows.
GENESIS = "0" * 64


class Act(StrEnum):
    """A security-relevant act (OWASP ASVS 5.0, V16.3)."""

    CLIENT_REGISTERED = "client.registered"
    CLIENT_CHANGED = "client.changed"
    CLIENT_REMOVED = "client.removed"
    CLIENT_REFUSED = "client.authentication_failed"
    SECRET_ADDED = "client.secret_added"
    SECRET_REMOVED = "client.secret_removed"
    SIGNING_KEY_ADDED = "signing_key.added"
    SIGNING_KEY_REMOVED = "signing_key.removed"
    CONSENT_GIVEN = "consent.given"
    CONSENT_DENIED = "consent.denied"
    TOKEN_REVOKED = "token.revoked"
    GRANT_REVOKED = "grant.revoked"
    CODE_REUSED = "code.reused"
    REFRESH_TOKEN_REUSED = "refresh_token.reused"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_REMOVED = "account.removed"
    SIGNED_IN = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SESSION_ENDED = "session.ended"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_REMOVED = "passkey.removed"
    UPSTREAM_LINKED = "upstream.linked"
    UPSTREAM_UNLINKED = "upstream.unlinked"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_KEY_ROTATED = "webhook.key_rotated"
    WEBHOOK_DISABLED = "webhook.disabled"


@dataclass(frozen=True)
class Entry:
    """One act: who did it to what, without personal data beyond ids."""

    number: int
    at: datetime
    act: str
    #: Who acted: `per_…`, a client id, or `system`.
    actor: str
    #: What it was done to: `per_…`, a client id, a grant's or a key's id.
    subject: str
    details: dict[str, str]
    previous: str
    hash: str


def hash_of(
    number: int, at: datetime, act: str, actor: str, subject: str, details: dict[str, str], previous: str
) -> str:
    """SHA-256, hexadecimal, over an entry's JSON with sorted names and without spaces, the hash before it included."""
    content = {
        "number": number,
        "at": at.isoformat(),
        "act": act,
        "actor": actor,
        "subject": subject,
        "details": details,
        "previous": previous,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def breaks(entry: Entry, before: Entry | None) -> str | None:
    """What is wrong with an entry after the one before it: changed, or one is missing. None when nothing is."""
    expected = before.number + 1 if before else 1
    if entry.number != expected:
        return f"entry {expected} is missing"
    if entry.previous != (before.hash if before else GENESIS):
        return f"entry {entry.number} does not follow the one before it"
    content = (entry.number, entry.at, entry.act, entry.actor, entry.subject, entry.details, entry.previous)
    return None if entry.hash == hash_of(*content) else f"entry {entry.number} was changed"
