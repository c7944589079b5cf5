"""What the authorization server keeps between requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
#: A revocation is remembered for longer: clocks differ, and a token may be made while its grant is revoked.
REVOKED_FOR = ACCESS_TOKEN_LIFETIME + timedelta(minutes=1)
CODE_LIFETIME = timedelta(seconds=60)
#: A used code is remembered for so long, to notice that it is used again.
CODE_MEMORY = timedelta(hours=1)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
#: How long a person's consent holds, and with it everything that came of it.
CONSENT_LIFETIME = timedelta(days=90)
#: From pushing a request to the person's decision about it (RFC 9126 section 2.2; FAPI 2.0: below 600 s).
PUSHED_LIFETIME = timedelta(seconds=540)
ID_TOKEN_LIFETIME = timedelta(minutes=10)
#: The longest validity of a client assertion, because its `jti` is remembered as long (RFC 7523 section 3).
ASSERTION_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class PushedRequest:
    """What a client pushed, to be used once (RFC 9126)."""

    client_id: str
    values: dict[str, str]
    created: datetime
    expires: datetime
    #: The key of the proof that came with it (RFC 9449 section 10.1).
    dpop_jkt: str | None = None
    used: bool = False


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid request of a client for a person's authorization (RFC 6749 section 4.1.1, OpenID Connect Core 3.1.2.1)."""

    client_id: str
    client_name: str
    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    code_challenge: str
    #: Whether nobody here has looked at the client.
    unknown_client: bool = False
    #: Whether only that client can receive the answer; else it may be another program that uses its name.
    assured: bool = True
    nonce: str | None = None
    #: The key that the code is bound to (RFC 9449 section 10).
    dpop_jkt: str | None = None
    prompt: frozenset[str] = frozenset()
    #: How long ago the person may have signed in, seconds.
    max_age: int | None = None
    #: Whom the client knows already, `per_…`; nobody else may answer.
    expected: str | None = None
    #: Where the pushed request is stored; None for one in the address.
    pushed: str | None = None
    #: When the client asked, pushed or signed; None for a request that the browser could have changed.
    asked_at: datetime | None = None


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
    nonce: str | None = None
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    dpop_jkt: str | None = None


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
    #: The key of a public client that it is bound to (RFC 9449 section 5).
    dpop_jkt: str | None = None
