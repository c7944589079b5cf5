"""Who acts while the sandbox fills itself: made-up people with tokens of a key that exists in this process only.

An account for each of them at the gateway would be one of a person who does not exist beside those of people, and
fifty sign-ins with their password hashes would take longer than all the rest.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from cme_kit.auth import TokenVerifier
from gateway.oauth.scopes import ROLES
from joserfc import jwt
from joserfc.jwk import ECKey
from typeid import TypeID
from uuid_utils import UUID, uuid5

from cme_local.pilot.actors import Actor
from cme_local.pilot.client import Client

KEY_ID = "sandbox-filling"
LIFETIME_S = 300
#: The same key is the same person in every sandbox, so that a filling that broke off goes on with the same people.
_PEOPLE = UUID("8a1f3c52-6f0e-5d5b-9c1d-5b7d0f2f3a61")


class Stage:
    """Makes people, and the verifier that knows them."""

    def __init__(self, client: Client, issuer: str, audience: str) -> None:
        self._client = client
        self._issuer = issuer
        self._audience = audience
        self._key = ECKey.generate_key("P-256", {"kid": KEY_ID, "use": "sig", "alg": "ES256"}, private=True)

    def verifier(self) -> TokenVerifier:
        """Knows the people of this stage and nobody else."""

        async def key_set() -> Any:
            return {"keys": [self._key.as_dict(private=False)]}

        return TokenVerifier(self._issuer, self._audience, key_set)

    async def person(self, key: str, name: str, language: str, role: str, organisation_id: str | None) -> Actor:
        """A person with a role."""
        del name, language  # an account has them; the person's own record is written by the acts
        return self.act_as(key, role, organisation_id)

    def act_as(self, key: str, role: str, organisation_id: str | None = None) -> Actor:
        """Somebody with what a role may do."""
        subject = str(TypeID.from_uuid(prefix="per", suffix=uuid5(_PEOPLE, key)))
        return Actor(self._client, _Signer(self, subject, role, organisation_id), key, subject)

    def sign(self, subject: str, role: str, organisation_id: str | None) -> str:
        """An access token as the gateway would issue it (RFC 9068)."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "client_id": KEY_ID,
            "scope": " ".join(sorted(ROLES[role])),
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": secrets.token_hex(8),
        }
        if organisation_id is not None:
            claims["org"] = organisation_id
        return jwt.encode({"alg": "ES256", "kid": KEY_ID, "typ": "at+jwt"}, claims, self._key)


class _Signer:
    def __init__(self, stage: Stage, subject: str, role: str, organisation_id: str | None) -> None:
        self._stage = stage
        self._person = (subject, role, organisation_id)

    async def token(self) -> tuple[str, float]:
        """A fresh access token and its lifetime in seconds."""
        return self._stage.sign(*self._person), LIFETIME_S
