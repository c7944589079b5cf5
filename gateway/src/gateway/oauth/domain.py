"""What the authorization server keeps between requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(seconds=60)
#: A used code is remembered for so long, to notice that it is used again.
CODE_MEMORY = timedelta(hours=1)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
#: How long a person's consent holds, and with it everything that came of it.
CONSENT_LIFETIME = timedelta(days=90)
#: The longest validity of a client assertion, because its `jti` is remembered as long (RFC 7523 section 3).
ASSERTION_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid request of a client for a person's authorization (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""

    client_id: str
    client_name: str
    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    code_challenge: str


@dataclass(frozen=True)
class AuthorizationCode:
    """A one-use code (RFC 6749 section 4.1.2)."""

    client_id: str
    subject: str
    grant_id: str
    redirect_uri: str
    scopes: frozenset[str]
    code_challenge: str
    expires: datetime
    grant_expires: datetime
    used: bool = False


@dataclass(frozen=True)
class RefreshToken:
    """One token of a family that began with one code (RFC 9700 section 4.14)."""

    client_id: str
    subject: str
    grant_id: str
    scopes: frozenset[str]
    expires: datetime
    grant_expires: datetime
    used: bool = False
    revoked: bool = False
