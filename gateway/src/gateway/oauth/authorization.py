"""The authorization endpoint's use cases (RFC 6749 section 4.1, RFC 9126, RFC 9207): validate, consent, issue a code."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, OAuth2Error
from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import Database, Session

from gateway.accounts.domain import Account
from gateway.accounts.service import SignedIn
from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.clients.domain import Client, Profile
from gateway.clients.service import Clients
from gateway.oauth.domain import (
    CODE_LIFETIME,
    CODE_MEMORY,
    CONSENT_LIFETIME,
    AuthorizationCode,
    AuthorizationRequest,
    PushedRequest,
)
from gateway.oauth.minting import Mint
from gateway.oauth.parameters import single_values
from gateway.oauth.repository import GrantRepository
from gateway.oauth.requests import PUSHED_PREFIX, check_request, parameters_of
from gateway.oauth.scopes import scopes_of_roles
from gateway.peppered import fingerprint


class RefusedHere(Exception):
    """The request cannot be trusted enough to send anybody anywhere (RFC 9700 section 4.11.2)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RefusedThere(Exception):
    """The client is told by a redirect: `at_once`, or only of somebody who is signed in."""

    def __init__(self, location: str, *, at_once: bool = True) -> None:
        super().__init__(location)
        self.location = location
        self.at_once = at_once


class Authorizations:
    """Turns people's consent into codes."""

    def __init__(
        self,
        issuer: str,
        clients: Clients,
        grants: GrantRepository,
        mint: Mint,
        audit: Audit,
        database: Database,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._database = database
        self._clients = clients
        self._grants = grants
        self._mint = mint
        self._audit = audit
        self._clock = clock

    async def validate(self, items: list[tuple[str, str]]) -> AuthorizationRequest:
        """What a client asks for. Raises RefusedHere or RefusedThere."""
        try:
            values = single_values(items)
        except InvalidRequestError as error:
            raise RefusedHere(error.description) from error
        client = await self._clients.active(values["client_id"]) if "client_id" in values else None
        if client is None:
            raise RefusedHere("The client does not exist on this server.")
        pushed, key = None, None
        if "request_uri" in values:
            pushed, key = await self._pushed(values["request_uri"], client)
            values = pushed.values
        return self._checked(values, client, pushed, key)

    async def _pushed(self, request_uri: str, client: Client) -> tuple[PushedRequest, str]:
        key = fingerprint(request_uri)
        pushed = await self._grants.pushed(key) if request_uri.startswith(PUSHED_PREFIX) else None
        if pushed is None or pushed.client_id != client.client_id or pushed.used or pushed.expires <= self._clock.now():
            raise RefusedHere("This request is not known, was used, or is too old. Go back and begin again.")
        return pushed, key

    def _checked(
        self, values: dict[str, str], client: Client, pushed: PushedRequest | None, key: str | None
    ) -> AuthorizationRequest:
        now = self._clock.now()
        try:
            values, signed_at = parameters_of(values, client, self._issuer, now)
            if pushed is None and client.profile is Profile.FAPI:
                if not client.may_redirect_to(values.get("redirect_uri", "")):
                    raise RefusedHere("This client has to push its requests.")
                raise InvalidRequestError("Push the request first.", redirect_uri=values["redirect_uri"])
            check_request(values, client, self._issuer, self._mint.audience_of(client), now)
        except OAuth2Error as error:
            if not error.redirect_uri:
                raise RefusedHere(error.get_error_description() or error.error) from error
            raise RefusedThere(self._error_location(values, error), at_once=_asks_nobody(values)) from error
        return AuthorizationRequest(
            client_id=client.client_id,
            client_name=client.name,
            redirect_uri=values["redirect_uri"],
            scopes=(frozenset(values["scope"].split()) if "scope" in values else client.scopes) & client.scopes,
            state=values.get("state"),
            code_challenge=values["code_challenge"],
            unknown_client=client.self_registered,
            assured=client.is_assured_at(values["redirect_uri"]),
            nonce=values.get("nonce"),
            dpop_jkt=(pushed.dpop_jkt if pushed else None) or values.get("dpop_jkt"),
            prompt=frozenset(values.get("prompt", "").split()),
            max_age=int(values["max_age"]) if "max_age" in values else None,
            expected=self._expected(values, client),
            pushed=key,
            asked_at=pushed.created if pushed else signed_at,
        )

    def _expected(self, values: dict[str, str], client: Client) -> str | None:
        if "id_token_hint" not in values:
            return None
        subject = self._mint.subject_of(values["id_token_hint"], client)
        if subject is None:
            error = InvalidRequestError("The id_token_hint is no ID token that this client got.")
            there = self._location(values["redirect_uri"], values.get("state"), dict(error.get_body()))
            raise RefusedThere(there, at_once=_asks_nobody(values))
        return subject

    def must_sign_in(self, request: AuthorizationRequest, signed_in: SignedIn | None) -> bool:
        """Whether the person has to sign in, again when the client wants it.

        Raises RefusedThere for `prompt=none`, and for somebody else than the client knows (OpenID Connect Core 3.1.2.1).
        """
        again = signed_in is None
        if signed_in is not None:
            if request.expected not in (None, signed_in.account.subject):
                raise RefusedThere(self._refusal(request, "login_required", "Somebody else is signed in."))
            age = (self._clock.now() - signed_in.auth_time).total_seconds()
            too_old = request.max_age is not None and age > request.max_age
            # Whoever signed in after the client asked did so for it; where nothing tells when it asked, the page takes
            # the wish out of the address.
            signed_in_for_it = request.asked_at is not None and signed_in.auth_time >= request.asked_at
            again = (too_old or "login" in request.prompt) and not signed_in_for_it
        if again and "none" in request.prompt:
            raise RefusedThere(self._refusal(request, "login_required", "The person is not signed in."))
        return again

    def grantable(self, request: AuthorizationRequest, account: Account) -> frozenset[str]:
        """What this person can allow. Raises RefusedThere when it is nothing."""
        scopes = request.scopes & scopes_of_roles(account.roles)
        if not scopes:
            error = InvalidScopeError("This person's roles allow none of these scopes.")
            raise RefusedThere(self._location(request.redirect_uri, request.state, dict(error.get_body())))
        return scopes

    async def must_ask(self, request: AuthorizationRequest, account: Account, scopes: frozenset[str]) -> bool:
        """Whether the person has to be asked: not when they allowed this client, and surely this one, all of it before.

        Raises RefusedThere for `prompt=none`.
        """
        consented = await self._grants.consented(account.subject, request.client_id, self._clock.now())
        ask = "consent" in request.prompt or not request.assured or not scopes <= consented
        if ask and "none" in request.prompt:
            raise RefusedThere(self._refusal(request, "consent_required", "The person has not allowed it yet."))
        return ask

    async def allow(self, request: AuthorizationRequest, signed_in: SignedIn, scopes: frozenset[str]) -> str:
        """Where to send a person who allows it, which is remembered, with a fresh code. Raises RefusedHere."""
        subject, client_id = signed_in.account.subject, request.client_id

        async def in_one(session: Session) -> str:
            expires = self._clock.now() + CONSENT_LIFETIME
            await self._grants.consent(subject, client_id, scopes, expires, session)
            location = await self._code(request, signed_in, scopes, session)
            details = {"scope": " ".join(sorted(scopes))}
            await self._audit.record(
                Act.CONSENT_GIVEN, actor=subject, subject=client_id, details=details, session=session
            )
            return location

        return await self._database.in_transaction(in_one)

    async def issue_code(self, request: AuthorizationRequest, signed_in: SignedIn, scopes: frozenset[str]) -> str:
        """Where to send the person with a fresh code. Raises RefusedHere when the pushed request was used meanwhile."""
        return await self._database.in_transaction(lambda session: self._code(request, signed_in, scopes, session))

    async def deny(self, request: AuthorizationRequest, account: Account) -> str:
        """Where to send a person who does not allow it. Raises RefusedHere."""

        async def in_one(session: Session) -> None:
            await self._use(request, session)
            await self._audit.record(
                Act.CONSENT_DENIED, actor=account.subject, subject=request.client_id, session=session
            )

        await self._database.in_transaction(in_one)
        return self._refusal(request, "access_denied", "The person did not allow it.")

    async def _code(
        self, request: AuthorizationRequest, signed_in: SignedIn, scopes: frozenset[str], session: Session
    ) -> str:
        await self._use(request, session)
        now = self._clock.now()
        code = secrets.token_urlsafe(32)
        row = AuthorizationCode(
            client_id=request.client_id,
            subject=signed_in.account.subject,
            grant_id=new_id("gnt"),
            redirect_uri=request.redirect_uri,
            scopes=scopes,
            code_challenge=request.code_challenge,
            expires=now + CODE_LIFETIME,
            grant_expires=now + CONSENT_LIFETIME,
            nonce=request.nonce,
            auth_time=signed_in.auth_time,
            amr=signed_in.amr,
            dpop_jkt=request.dpop_jkt,
        )
        await self._grants.add_code(fingerprint(code), row, now + CODE_MEMORY, session)
        return self._location(request.redirect_uri, request.state, {"code": code})

    async def _use(self, request: AuthorizationRequest, session: Session) -> None:
        if request.pushed is not None and not await self._grants.use_pushed(request.pushed, session):
            raise RefusedHere("This request was used already. Go back and begin again.")

    def _refusal(self, request: AuthorizationRequest, error: str, description: str) -> str:
        body = {"error": error, "error_description": description}
        return self._location(request.redirect_uri, request.state, body)

    def _error_location(self, values: dict[str, str], error: OAuth2Error) -> str:
        description = error.get_error_description()
        body = {"error": error.error} | ({"error_description": description} if description else {})
        return self._location(error.redirect_uri, values.get("state"), body)

    def _location(self, redirect_uri: str, state: str | None, parameters: dict[str, str]) -> str:
        query = urlencode({**parameters, **({"state": state} if state is not None else {}), "iss": self._issuer})
        return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


def _asks_nobody(values: dict[str, str]) -> bool:
    """Whether a client wants an answer without anybody seeing a page (OpenID Connect Core 3.1.2.1)."""
    return "none" in values.get("prompt", "").split()
