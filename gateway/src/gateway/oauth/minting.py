"""What goes into tokens: access tokens (RFC 9068) and ID tokens (OpenID Connect Core section 2)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Any

from cme_kit import jose
from cme_kit.clock import Clock

from gateway.accounts.domain import Account
from gateway.clients.domain import Client
from gateway.oauth.domain import ACCESS_TOKEN_LIFETIME, ID_TOKEN_LIFETIME, AuthorizationCode
from gateway.oauth.keys import SigningKeys
from gateway.oauth.scopes import in_order

ID_TOKEN_TYPE = "JWT"
LIFETIME_SECONDS = int(ACCESS_TOKEN_LIFETIME.total_seconds())


class Mint:
    """Makes tokens."""

    def __init__(self, issuer: str, keys: SigningKeys, clock: Clock) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock

    def audience_of(self, client: Client) -> str:
        """The API that a client's tokens open (RFC 8707)."""
        return f"{self._issuer}/sandbox" if client.sandbox else self._issuer

    def for_client(self, client: Client, scopes: frozenset[str], thumbprint: str | None) -> str:
        """A client's own access token, bound to a key when `thumbprint` is given."""
        token_id = secrets.token_urlsafe(12)
        return self.access_token(client.client_id, client, scopes, client.organisation_id, token_id, thumbprint)

    def for_person(
        self, account: Account, client: Client, scopes: frozenset[str], grant_id: str, thumbprint: str | None
    ) -> str:
        """An access token of a person for a client; its id begins with the grant's."""
        organisation_id = account.organisation_id or client.organisation_id
        token_id = f"{grant_id}.{secrets.token_urlsafe(9)}"
        return self.access_token(account.subject, client, scopes, organisation_id, token_id, thumbprint)

    def access_token(
        self,
        subject: str,
        client: Client,
        scopes: frozenset[str],
        organisation_id: str | None,
        token_id: str,
        thumbprint: str | None,
        lifetime: int = LIFETIME_SECONDS,
    ) -> str:
        """A signed access token that expires after `lifetime` seconds."""
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self.audience_of(client),
            "sub": subject,
            "client_id": client.client_id,
            "scope": " ".join(in_order(scopes)),
            "iat": now,
            "exp": now + lifetime,
            "jti": token_id,
        }
        if organisation_id is not None:
            claims["org"] = organisation_id
        if thumbprint is not None:
            claims["cnf"] = {"jkt": thumbprint}
        return self._keys.sign(claims, "at+jwt")

    def id_token(self, code: AuthorizationCode, access_token: str) -> str:
        """Who signed in, for the client that sent them."""
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": code.client_id,
            "sub": code.subject,
            "iat": now,
            "exp": now + int(ID_TOKEN_LIFETIME.total_seconds()),
            "at_hash": _half_hash(access_token),
            "auth_time": _seconds(code.auth_time),
            "amr": list(code.amr),
            "nonce": code.nonce,
        }
        return self._keys.sign(
            {name: value for name, value in claims.items() if value not in (None, [])}, ID_TOKEN_TYPE
        )

    def subject_of(self, id_token: str, client: Client) -> str | None:
        """Whom an ID token of ours told a client about, also when it has expired; None for anything else."""
        try:
            header, claims = jose.verified(id_token, self._keys.public_set)
        except jose.InvalidJwt:
            return None
        ours = header.get("typ") == ID_TOKEN_TYPE and claims.get("iss") == self._issuer
        return str(claims["sub"]) if ours and claims.get("aud") == client.client_id else None


def _half_hash(token: str) -> str:
    """`at_hash` (OpenID Connect Core section 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
