"""The authorization endpoint's use cases (RFC 6749 section 4.1, RFC 9207): validate, consent, issue a code."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, OAuth2Error
from cme_kit.clock import Clock
from cme_kit.ids import new_id

from gateway.accounts.domain import Account
from gateway.clients.service import Clients
from gateway.oauth.domain import CODE_LIFETIME, CODE_MEMORY, CONSENT_LIFETIME, AuthorizationCode, AuthorizationRequest
from gateway.oauth.parameters import InvalidTarget, single_values
from gateway.oauth.protocol import Request, View
from gateway.oauth.repository import GrantRepository
from gateway.oauth.scopes import scopes_of_roles
from gateway.peppered import fingerprint


class RefusedHere(Exception):
    """The request cannot be trusted enough to send anybody anywhere (RFC 9700 section 4.11.2)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RefusedThere(Exception):
    """The client is told by a redirect."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Authorizations:
    """Turns people's consent into codes."""

    def __init__(self, issuer: str, clients: Clients, grants: GrantRepository, clock: Clock) -> None:
        self._issuer = issuer
        self._clients = clients
        self._grants = grants
        self._clock = clock

    async def validate(self, items: list[tuple[str, str]]) -> AuthorizationRequest:
        """What a client asks for. Raises RefusedHere or RefusedThere."""
        try:
            values = single_values(items)
        except InvalidRequestError as error:
            raise RefusedHere(error.description) from error
        if "redirect_uri" not in values:
            raise RefusedHere("The request has no redirect_uri.")
        client_id = values.get("client_id")
        client = await self._clients.active(client_id) if client_id else None
        view = View(issuer=self._issuer, now=self._clock.now(), client=client)
        try:
            view.server().get_consent_grant(Request("GET", values))
            if values.get("resource", self._issuer) != self._issuer:
                raise InvalidTarget("The only resource is this API.", redirect_uri=values["redirect_uri"])
        except OAuth2Error as error:
            if not error.redirect_uri:
                raise RefusedHere(error.get_error_description()) from error
            raise RefusedThere(self._error_location(values, error)) from error
        if client is None:
            raise RefusedHere("The client does not exist on this server.")
        return AuthorizationRequest(
            client_id=client.client_id,
            client_name=client.name,
            redirect_uri=values["redirect_uri"],
            scopes=(frozenset(values["scope"].split()) if "scope" in values else client.scopes) & client.scopes,
            state=values.get("state"),
            code_challenge=values["code_challenge"],
        )

    def grantable(self, request: AuthorizationRequest, account: Account) -> frozenset[str]:
        """What this person can allow. Raises RefusedThere when it is nothing."""
        scopes = request.scopes & scopes_of_roles(account.roles)
        if not scopes:
            error = InvalidScopeError("This person's roles allow none of these scopes.")
            raise RefusedThere(self._location(request.redirect_uri, request.state, dict(error.get_body())))
        return scopes

    async def has_consent(self, request: AuthorizationRequest, account: Account, scopes: frozenset[str]) -> bool:
        """Whether the person allowed this client all of it before."""
        return scopes <= await self._grants.consented(account.subject, request.client_id, self._clock.now())

    async def consent(self, request: AuthorizationRequest, account: Account, scopes: frozenset[str]) -> None:
        """Remember that the person allows it."""
        expires = self._clock.now() + CONSENT_LIFETIME
        await self._grants.consent(account.subject, request.client_id, scopes, expires)

    async def issue_code(self, request: AuthorizationRequest, account: Account, scopes: frozenset[str]) -> str:
        """Where to send the person with a fresh code."""
        now = self._clock.now()
        code = secrets.token_urlsafe(32)
        row = AuthorizationCode(
            client_id=request.client_id,
            subject=account.subject,
            grant_id=new_id("gnt"),
            redirect_uri=request.redirect_uri,
            scopes=scopes,
            code_challenge=request.code_challenge,
            expires=now + CODE_LIFETIME,
            grant_expires=now + CONSENT_LIFETIME,
        )
        await self._grants.add_code(fingerprint(code), row, now + CODE_MEMORY)
        return self._location(request.redirect_uri, request.state, {"code": code})

    def denied(self, request: AuthorizationRequest) -> str:
        """Where to send a person who does not allow it."""
        body = {"error": "access_denied", "error_description": "The person did not allow it."}
        return self._location(request.redirect_uri, request.state, body)

    def _error_location(self, values: dict[str, str], error: OAuth2Error) -> str:
        description = error.get_error_description()
        body = {"error": error.error} | ({"error_description": description} if description else {})
        return self._location(error.redirect_uri, values.get("state"), body)

    def _location(self, redirect_uri: str, state: str | None, parameters: dict[str, str]) -> str:
        query = urlencode({**parameters, **({"state": state} if state is not None else {}), "iss": self._issuer})
        return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
