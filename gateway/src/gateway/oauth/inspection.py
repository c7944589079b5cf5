"""Asking about a token and ending one (RFC 7662, RFC 7009)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from cme_kit.auth import Principal, TokenVerifier, Unauthenticated
from cme_kit.clock import Clock

from gateway.audit.domain import Act
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.oauth.authentication import ClientAuthentication
from gateway.oauth.grants import Grants
from gateway.oauth.minting import Mint
from gateway.oauth.protocol import AUTH_METHODS
from gateway.oauth.scopes import in_order

#: Lets a client ask about the tokens of others: the APIs that take them.
INTROSPECT = "gateway.tokens:introspect"
INACTIVE: dict[str, Any] = {"active": False}


class Inspection:
    """Introspection and revocation."""

    def __init__(
        self,
        issuer: str,
        authentication: ClientAuthentication,
        clients: Clients,
        grants: Grants,
        mint: Mint,
        verifier: TokenVerifier,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._authentication = authentication
        self._clients = clients
        self._grants = grants
        self._mint = mint
        self._verifier = verifier
        self._clock = clock

    async def introspect(self, values: dict[str, str], authorization: str | None) -> dict[str, Any]:
        """What a token is, for its client and for an API that it opens; whatever else is not active.

        Raises OAuth2Error.
        """
        token = _token_of(values)
        client = await self._authentication.authenticate(values, authorization)
        if token.count(".") == 2:  # noqa: PLR2004  (the dots of a JWT)
            return await self._access_token(client, token)
        known = await self._grants.refresh_token(token)
        if known is None or known.client_id != client.client_id or known.used or known.revoked:
            return INACTIVE
        if known.expires <= self._clock.now():
            return INACTIVE
        return {
            "active": True,
            "scope": " ".join(in_order(known.scopes)),
            "client_id": known.client_id,
            "sub": known.subject,
            "exp": int(known.expires.timestamp()),
            "iss": self._issuer,
        }

    async def revoke(self, values: dict[str, str], authorization: str | None) -> None:
        """End a token and, for a refresh token, its whole grant. Raises OAuth2Error.

        A token that is unknown or another client's changes nothing and is answered the same.
        """
        token = _token_of(values)
        client = await self._authentication.authenticate(values, authorization, AUTH_METHODS)
        known = await self._grants.refresh_token(token)
        if known is not None:
            if known.client_id == client.client_id:
                await self._grants.revoke(known.grant_id, Act.GRANT_REVOKED, client.client_id)
            return
        principal = await self._verified(token)
        if principal is not None and principal.client_id == client.client_id and principal.token_id:
            await self._grants.revoke_token(principal.token_id, client.client_id)

    async def _access_token(self, client: Client, token: str) -> dict[str, Any]:
        principal = await self._verified(token)
        if principal is None or self._grants.is_revoked(principal.token_id):
            return INACTIVE
        own = principal.client_id == client.client_id
        for_its_api = INTROSPECT in client.scopes and principal.audience == self._mint.audience_of(client)
        if not (own or for_its_api) or await self._clients.active(principal.client_id) is None:
            return INACTIVE
        answer: dict[str, Any] = {
            "active": True,
            "scope": " ".join(in_order(principal.scopes)),
            "client_id": principal.client_id,
            "sub": principal.subject,
            "aud": principal.audience,
            "iss": self._issuer,
            "exp": int(principal.expires or 0),
            "jti": principal.token_id,
            "token_type": principal.scheme,
        }
        if principal.organisation_id is not None:
            answer["org"] = principal.organisation_id
        if principal.key_thumbprint is not None:
            answer["cnf"] = {"jkt": principal.key_thumbprint}
        return answer

    async def _verified(self, token: str) -> Principal | None:
        try:
            return await self._verifier.verify(token)
        except Unauthenticated:
            return None  # RFC 7009 section 2.2, RFC 7662 section 2.2: an invalid token is no error


def _token_of(values: dict[str, str]) -> str:
    if "token" not in values:
        raise InvalidRequestError("The request has no token.")
    return values["token"]
