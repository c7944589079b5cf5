"""The token endpoint's use cases (RFC 6749 sections 4 to 6, RFC 8693, RFC 9449 section 5)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)
from cme_kit.auth import Principal, TokenVerifier, Unauthenticated
from cme_kit.clock import Clock
from cme_kit.dpop import Proof
from cme_kit.mongo import Database, Session

from gateway.accounts.domain import Account
from gateway.accounts.service import Accounts
from gateway.audit.domain import Act
from gateway.clients.domain import Client
from gateway.oauth.authentication import ClientAuthentication
from gateway.oauth.domain import REFRESH_TOKEN_LIFETIME, AuthorizationCode, RefreshToken
from gateway.oauth.grants import Grants
from gateway.oauth.minting import LIFETIME_SECONDS, Mint
from gateway.oauth.parameters import InvalidTarget
from gateway.oauth.possession import Possession
from gateway.oauth.protocol import CONFIDENTIAL, Request, View
from gateway.oauth.scopes import in_order, scopes_of_roles
from gateway.peppered import fingerprint

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_PATH = "/oauth/token"


@dataclass(frozen=True)
class Issued:
    """The body of a successful answer, to whom, and the nonce of the client's next proof."""

    client_id: str
    answer: dict[str, Any]
    next_nonce: str | None = None


class Tokens:
    """Issues and refreshes tokens."""

    def __init__(
        self,
        mint: Mint,
        authentication: ClientAuthentication,
        possession: Possession,
        accounts: Accounts,
        grants: Grants,
        verifier: TokenVerifier,
        database: Database,
        clock: Clock,
    ) -> None:
        self._mint = mint
        self._authentication = authentication
        self._possession = possession
        self._accounts = accounts
        self._grants = grants
        self._verifier = verifier
        self._database = database
        self._clock = clock

    async def issue(self, values: dict[str, str], authorization: str | None, proofs: list[str]) -> Issued:
        """The answer to a token request (RFC 6749 section 5.1). Raises OAuth2Error."""
        grant_type = values.get("grant_type")
        if grant_type is None:
            raise InvalidRequestError("The request has no grant_type.")
        view = await self._view(values, authorization)
        if grant_type == EXCHANGE:
            view.server().authenticate_client(Request("POST", values, authorization), CONFIDENTIAL)
        else:
            grant = view.server().get_token_grant(Request("POST", values, authorization))
            try:
                grant.validate_token_request()
            except InvalidGrantError:
                await self._revoke_when_reused(view, grant_type)
                raise
        if (
            view.client is not None
            and values.get("resource", audience := self._mint.audience_of(view.client)) != audience
        ):
            raise InvalidTarget(f"The only resource of this client is {audience}.")
        # Checked before anything is used up, so that a client that lacks a nonce can ask again.
        proof = self._possession.check(view.client, proofs, TOKEN_PATH)
        client = await self._authentication.confirm(view)
        await self._possession.use(proof)
        match grant_type:
            case "client_credentials":
                answer = self._for_client(client, values.get("scope"), proof)
            case "authorization_code":
                answer = await self._for_code(view, client, fingerprint(values["code"]), proof)
            case "refresh_token":
                answer = await self._for_refresh_token(view, client, values, proof)
            case _:
                answer = await self._for_token(client, values, proof)
        return Issued(client.client_id, answer, self._possession.next_nonce(proof))

    async def _view(self, values: dict[str, str], authorization: str | None) -> View:
        code, refresh_token = values.get("code"), values.get("refresh_token")
        return await self._authentication.view(
            values,
            authorization,
            code=await self._grants.code(code) if code else None,
            refresh_token=await self._grants.refresh_token(refresh_token) if refresh_token else None,
        )

    async def _revoke_when_reused(self, view: View, grant_type: str) -> None:
        # RFC 6749 section 4.1.2 and RFC 9700 section 4.14: whoever comes second may be the thief, so both lose it.
        of_code = grant_type == "authorization_code"
        known = view.code if of_code else view.refresh_token
        if known is not None and known.used and view.client is not None and known.client_id == view.client.client_id:
            await self._reused(known)

    async def _reused(self, known: AuthorizationCode | RefreshToken) -> None:
        act = Act.CODE_REUSED if isinstance(known, AuthorizationCode) else Act.REFRESH_TOKEN_REUSED
        await self._grants.revoke(known.grant_id, act, known.client_id)

    def _for_client(self, client: Client, requested: str | None, proof: Proof | None) -> dict[str, Any]:
        scopes = frozenset(requested.split()) if requested else client.scopes
        if not scopes <= client.scopes:
            raise InvalidScopeError("This client was not given all of these scopes.")
        return _answer(self._mint.for_client(client, scopes, _thumbprint(proof)), scopes, proof)

    async def _for_code(self, view: View, client: Client, key: str, proof: Proof | None) -> dict[str, Any]:
        code = view.code
        account = await self._accounts.find(code.subject) if code else None
        if code is None or account is None:
            raise InvalidGrantError("The account of this code is gone.")
        if code.dpop_jkt is not None and code.dpop_jkt != _thumbprint(proof):
            raise InvalidGrantError("This code is bound to a key. Send a proof of that key.")
        refresh_token, row = secrets.token_urlsafe(32), self._refresh_token_of(client, code, proof)

        async def exchange(session: Session) -> bool:
            if not await self._grants.repository.use_code(key, session):
                return False
            if row is not None:
                await self._grants.repository.add_refresh_token(fingerprint(refresh_token), row, session)
            return True

        if not await self._database.in_transaction(exchange):
            await self._reused(code)
            raise InvalidGrantError("This code was used before.")
        scopes = _allowed(code.scopes, account, client)
        token = self._mint.for_person(account, client, scopes, code.grant_id, _thumbprint(proof))
        answer = _answer(token, scopes, proof)
        if row is not None:
            answer["refresh_token"] = refresh_token
        if "openid" in scopes:
            answer["id_token"] = self._mint.id_token(code, token)
        return answer

    async def _for_refresh_token(
        self, view: View, client: Client, values: dict[str, str], proof: Proof | None
    ) -> dict[str, Any]:
        known = view.refresh_token
        account = await self._accounts.find(known.subject) if known else None
        if known is None or account is None:
            raise InvalidGrantError("The account of this token is gone.")
        if known.dpop_jkt is not None and known.dpop_jkt != _thumbprint(proof):
            raise InvalidGrantError("This refresh token is bound to a key. Send a proof of that key.")
        requested = values.get("scope")
        granted = _allowed(known.scopes, account, client)
        scopes = frozenset(requested.split()) & granted if requested else granted
        if not scopes:
            raise InvalidScopeError("Nothing of what was allowed is left to this person or client.")
        token = self._mint.for_person(account, client, scopes, known.grant_id, _thumbprint(proof))
        if not client.is_public:
            # Bound to the client's credential, so rotation would only lose tokens (FAPI 2.0 section 5.3.2.1).
            return _answer(token, scopes, proof)
        successor = secrets.token_urlsafe(32)
        row = replace(known, expires=min(view.now + REFRESH_TOKEN_LIFETIME, known.grant_expires))

        async def rotate(session: Session) -> bool:
            if not await self._grants.repository.use_refresh_token(fingerprint(values["refresh_token"]), session):
                return False
            await self._grants.repository.add_refresh_token(fingerprint(successor), row, session)
            return True

        if not await self._database.in_transaction(rotate):
            await self._reused(known)
            raise InvalidGrantError("This refresh token was used before.")
        return _answer(token, scopes, proof) | {"refresh_token": successor}

    async def _for_token(self, client: Client, values: dict[str, str], proof: Proof | None) -> dict[str, Any]:
        """A narrower token for one that the client has (RFC 8693)."""
        if EXCHANGE not in client.grant_types:
            raise UnauthorizedClientError("This client may not exchange tokens.")
        if (
            values.get("subject_token_type") != ACCESS_TOKEN
            or values.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN
        ):
            raise InvalidRequestError(f"The only token type is {ACCESS_TOKEN}.")
        if "scope" not in values or "actor_token" in values:
            raise InvalidRequestError("Say in 'scope' what is left; a token is narrowed for its own subject only.")
        if values.get("audience", self._mint.audience_of(client)) != self._mint.audience_of(client):
            raise InvalidTarget(f"The only audience of this client is {self._mint.audience_of(client)}.")
        held = await self._held(client, values.get("subject_token", ""))
        scopes = frozenset(values["scope"].split())
        if not scopes <= held.scopes or not scopes <= client.scopes:
            raise InvalidScopeError("A token can only be narrowed.")
        if held.key_thumbprint is not None and held.key_thumbprint != _thumbprint(proof):
            raise InvalidRequestError("The token is bound to a key. Send a proof of that key.")
        lifetime = min(LIFETIME_SECONDS, int((held.expires or 0) - time.time()))
        if lifetime <= 0:
            raise InvalidRequestError("The subject_token has expired.")
        # Begins with the other token's id, so that it is revoked with it.
        token_id = f"{held.token_id}.{secrets.token_urlsafe(9)}"
        token = self._mint.access_token(
            held.subject, client, scopes, held.organisation_id, token_id, _thumbprint(proof), lifetime
        )
        return _answer(token, scopes, proof) | {"issued_token_type": ACCESS_TOKEN, "expires_in": lifetime}

    async def _held(self, client: Client, token: str) -> Principal:
        try:
            held = await self._verifier.verify(token)
        except Unauthenticated as error:
            raise InvalidRequestError("The subject_token is no token of ours that holds.") from error
        if held.client_id != client.client_id or self._grants.is_revoked(held.token_id):
            raise InvalidRequestError("The subject_token is no token of this client that holds.")
        return held

    def _refresh_token_of(self, client: Client, code: AuthorizationCode, proof: Proof | None) -> RefreshToken | None:
        if "refresh_token" not in client.grant_types:
            return None
        return RefreshToken(
            client_id=client.client_id,
            subject=code.subject,
            grant_id=code.grant_id,
            scopes=code.scopes,
            expires=min(self._clock.now() + REFRESH_TOKEN_LIFETIME, code.grant_expires),
            grant_expires=code.grant_expires,
            dpop_jkt=_thumbprint(proof) if client.is_public else None,
        )


def _thumbprint(proof: Proof | None) -> str | None:
    return proof.thumbprint if proof is not None else None


def _allowed(granted: frozenset[str], account: Account, client: Client) -> frozenset[str]:
    """What was granted, as far as the person's roles and the client still have it."""
    return granted & scopes_of_roles(account.roles) & client.scopes


def _answer(token: str, scopes: frozenset[str], proof: Proof | None) -> dict[str, Any]:
    return {
        "access_token": token,
        "token_type": "Bearer" if proof is None else "DPoP",
        "expires_in": LIFETIME_SECONDS,
        "scope": " ".join(in_order(scopes)),
    }
