"""The token and revocation endpoints' use cases (RFC 6749 sections 4 to 6, RFC 7009)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidGrantError, InvalidRequestError, InvalidScopeError
from cme_kit.auth import TokenVerifier, Unauthenticated
from cme_kit.clock import Clock
from cme_kit.mongo import Database, Session

from gateway.accounts.domain import Account
from gateway.accounts.service import Accounts
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.oauth.domain import (
    ACCESS_TOKEN_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    AuthorizationCode,
    RefreshToken,
)
from gateway.oauth.keys import SigningKeys
from gateway.oauth.parameters import InvalidTarget, claimed_client_id
from gateway.oauth.protocol import Request, View
from gateway.oauth.repository import GrantRepository
from gateway.oauth.revocations import Revocations
from gateway.oauth.scopes import in_order, scopes_of_roles
from gateway.peppered import fingerprint


class Tokens:
    """Issues, refreshes and revokes tokens."""

    def __init__(
        self,
        issuer: str,
        keys: SigningKeys,
        clients: Clients,
        accounts: Accounts,
        grants: GrantRepository,
        revocations: Revocations,
        verifier: TokenVerifier,
        database: Database,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clients = clients
        self._accounts = accounts
        self._grants = grants
        self._revocations = revocations
        self._verifier = verifier
        self._database = database
        self._clock = clock

    async def issue(self, values: dict[str, str], authorization: str | None) -> dict[str, Any]:
        """The answer to a token request (RFC 6749 section 5.1). Raises OAuth2Error."""
        if "grant_type" not in values:
            raise InvalidRequestError("The request has no grant_type.")
        if values.get("resource", self._issuer) != self._issuer:
            raise InvalidTarget("The only resource is this API.")
        view = await self._view(values, authorization)
        grant = view.server().get_token_grant(Request("POST", values, authorization))
        try:
            grant.validate_token_request()
        except InvalidGrantError:
            await self._revoke_when_reused(view, values)
            raise
        client = await self._authenticated(view)
        match values["grant_type"]:
            case "client_credentials":
                return self._for_client(client, values.get("scope"))
            case "authorization_code":
                return await self._for_code(view, client, fingerprint(values["code"]))
            case _:
                return await self._for_refresh_token(view, client, values)

    async def revoke(self, values: dict[str, str], authorization: str | None) -> None:
        """Revoke a token and, for a refresh token, its whole grant (RFC 7009). Raises OAuth2Error.

        A token that is unknown or another client's changes nothing and is answered the same.
        """
        view = await self._view({**values, "refresh_token": values.get("token", "")}, authorization)
        server, request = view.server(), Request("POST", values, authorization)
        server.authenticate_client(request, ["none", "client_secret_basic", "private_key_jwt"])
        client = await self._authenticated(view)
        token = view.refresh_token
        if token is not None:
            if token.client_id == client.client_id:
                await self._revoke_grant(token.grant_id)
            return
        try:
            principal = await self._verifier.verify(values.get("token", ""))
        except Unauthenticated:
            return  # RFC 7009 section 2.2: an invalid token needs no revocation
        if principal.client_id == client.client_id and principal.token_id:
            await self._revocations.revoke(principal.token_id, self._clock.now() + ACCESS_TOKEN_LIFETIME)

    async def _view(self, values: dict[str, str], authorization: str | None) -> View:
        client_id = claimed_client_id(values, authorization)
        client = await self._clients.active(client_id) if client_id else None
        code, refresh_token = values.get("code"), values.get("refresh_token")
        return View(
            issuer=self._issuer,
            now=self._clock.now(),
            client=client,
            secret_matches=lambda secret: client is not None and self._clients.secret_matches(client, secret),
            code=await self._grants.code(fingerprint(code)) if code else None,
            refresh_token=await self._grants.refresh_token(fingerprint(refresh_token)) if refresh_token else None,
        )

    async def _authenticated(self, view: View) -> Client:
        client = view.client
        if client is None:
            raise InvalidClientError(description="The client does not exist on this server.")
        if view.used_assertion is not None and not await self._grants.use_assertion(
            client.client_id, *view.used_assertion
        ):
            raise InvalidClientError(description="This client assertion was used before. Make a new one.")
        return client

    async def _revoke_when_reused(self, view: View, values: dict[str, str]) -> None:
        # RFC 6749 section 4.1.2 and RFC 9700 section 4.14: whoever comes second may be the thief, so both lose it.
        known = view.code if values.get("grant_type") == "authorization_code" else view.refresh_token
        if known is not None and known.used and view.client is not None and known.client_id == view.client.client_id:
            await self._revoke_grant(known.grant_id)

    async def _revoke_grant(self, grant_id: str) -> None:
        await self._grants.revoke_family(grant_id)
        await self._revocations.revoke(grant_id, self._clock.now() + ACCESS_TOKEN_LIFETIME)

    def _for_client(self, client: Client, requested: str | None) -> dict[str, Any]:
        scopes = frozenset(requested.split()) if requested else client.scopes
        if not scopes <= client.scopes:
            raise InvalidScopeError("This client was not given all of these scopes.")
        token = self._access_token(client.client_id, client, scopes, client.organisation_id, secrets.token_urlsafe(12))
        return _answer(token, scopes)

    async def _for_code(self, view: View, client: Client, key: str) -> dict[str, Any]:
        code = view.code
        account = await self._accounts.find(code.subject) if code else None
        if code is None or account is None:
            raise InvalidGrantError("The account of this code is gone.")
        refresh_token, row = self._new_refresh_token(client, code, view.now)

        async def exchange(session: Session) -> bool:
            if not await self._grants.use_code(key, session):
                return False
            if row is not None:
                await self._grants.add_refresh_token(fingerprint(refresh_token), row, session)
            return True

        if not await self._database.in_transaction(exchange):
            await self._revoke_grant(code.grant_id)
            raise InvalidGrantError("This code was used before.")
        scopes = _allowed(code.scopes, account, client)
        token = self._person_token(account, client, scopes, code.grant_id)
        return _answer(token, scopes, refresh_token if row else None)

    async def _for_refresh_token(self, view: View, client: Client, values: dict[str, str]) -> dict[str, Any]:
        known = view.refresh_token
        account = await self._accounts.find(known.subject) if known else None
        if known is None or account is None:
            raise InvalidGrantError("The account of this token is gone.")
        requested = values.get("scope")
        granted = _allowed(known.scopes, account, client)
        scopes = frozenset(requested.split()) & granted if requested else granted
        token = self._person_token(account, client, scopes, known.grant_id)
        if not client.is_public:
            # Bound to the client's credential, so rotation would only lose tokens (FAPI 2.0 section 5.3.2.1).
            return _answer(token, scopes)
        successor = secrets.token_urlsafe(32)
        row = replace(known, expires=min(view.now + REFRESH_TOKEN_LIFETIME, known.grant_expires))

        async def rotate(session: Session) -> bool:
            if not await self._grants.use_refresh_token(fingerprint(values["refresh_token"]), session):
                return False
            await self._grants.add_refresh_token(fingerprint(successor), row, session)
            return True

        if not await self._database.in_transaction(rotate):
            await self._revoke_grant(known.grant_id)
            raise InvalidGrantError("This refresh token was used before.")
        return _answer(token, scopes, successor)

    def _new_refresh_token(
        self, client: Client, code: AuthorizationCode, now: datetime
    ) -> tuple[str, RefreshToken | None]:
        if "refresh_token" not in client.grant_types:
            return "", None
        row = RefreshToken(
            client_id=client.client_id,
            subject=code.subject,
            grant_id=code.grant_id,
            scopes=code.scopes,
            expires=min(now + REFRESH_TOKEN_LIFETIME, code.grant_expires),
            grant_expires=code.grant_expires,
        )
        return secrets.token_urlsafe(32), row

    def _person_token(self, account: Account, client: Client, scopes: frozenset[str], grant_id: str) -> str:
        token_id = f"{grant_id}.{secrets.token_urlsafe(9)}"
        organisation_id = account.organisation_id or client.organisation_id
        return self._access_token(account.subject, client, scopes, organisation_id, token_id)

    def _access_token(
        self, subject: str, client: Client, scopes: frozenset[str], organisation_id: str | None, token_id: str
    ) -> str:
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": subject,
            "client_id": client.client_id,
            "scope": " ".join(in_order(scopes)),
            "iat": now,
            "exp": now + int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "jti": token_id,
        }
        if organisation_id is not None:
            claims["org"] = organisation_id
        return self._keys.sign(claims)


def _allowed(granted: frozenset[str], account: Account, client: Client) -> frozenset[str]:
    """What was granted, as far as the person's roles and the client still have it."""
    return granted & scopes_of_roles(account.roles) & client.scopes


def _answer(token: str, scopes: frozenset[str], refresh_token: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
        "scope": " ".join(in_order(scopes)),
    }
    return answer | ({"refresh_token": refresh_token} if refresh_token else {})
