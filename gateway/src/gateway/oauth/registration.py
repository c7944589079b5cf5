"""Clients that register themselves (RFC 7591).

With an initial access token a client gets what the token allows, once a person approved it. Without one it gets the four
scopes of Open Badges 3.0 section 7.1 and nothing else, because a Host's users bring apps that nobody here knows.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit.clock import Clock
from cme_kit.mongo import Database, Index, Session
from cme_kit.outbox import Outbox, Transaction
from pydantic import ValidationError

from gateway.clients.domain import ClientStatus
from gateway.clients.schemas import ABOUT, ClientRequest, ClientView
from gateway.clients.service import Clients
from gateway.oauth.scopes import OPEN_BADGES, in_order
from gateway.peppered import fingerprint

INVITATIONS = "registration_invitations"
INDEXES = (Index(INVITATIONS, ("expires",), expire_seconds=0),)
#: The members of RFC 7591 section 2 that are read; others are ignored, as section 2 says.
_READ = ("redirect_uris", "grant_types", "token_endpoint_auth_method", "jwks", "dpop_bound_access_tokens", *ABOUT)
#: What an error description must not have (RFC 6749 section 5.2).
_FORBIDDEN = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_REDIRECTS = "redirect_uris"
_PERIOD_SECONDS = 60.0
#: Open registrations that one address may make in a minute.
_MOST = 20
#: Addresses in memory; those that came last are kept.
_MOST_ADDRESSES = 10_000


class InvalidClientMetadata(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """What to change in the metadata (RFC 7591 section 3.2.2)."""

    error = "invalid_client_metadata"


class InvalidRedirectUri(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """A redirect address that cannot be registered."""

    error = "invalid_redirect_uri"


class InvalidInvitation(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """The initial access token does not hold (RFC 7591 section 3.2.2, RFC 6750 section 3.1)."""

    error = "invalid_token"
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """The error's headers with its challenge."""
        return [*super().get_headers(), ("WWW-Authenticate", 'Bearer error="invalid_token"')]


class TooManyRegistrations(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """One address registers too often."""

    error = "temporarily_unavailable"
    status_code = 429

    def get_headers(self) -> list[tuple[str, str]]:
        """The error's headers with the time to wait."""
        return [*super().get_headers(), ("Retry-After", str(int(_PERIOD_SECONDS)))]


@dataclass(frozen=True)
class Invitation:
    """What a client that brings an initial access token may become."""

    inviter: str
    scopes: frozenset[str]
    organisation_id: str | None
    sandbox: bool
    expires: datetime
    uses_left: int


#: For whoever comes without a token.
OPEN = Invitation(
    "open registration", OPEN_BADGES, None, sandbox=False, expires=datetime.max.replace(tzinfo=UTC), uses_left=1
)


class Invitations:
    """Initial access tokens, stored as fingerprints."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._rows = database.collection(INVITATIONS)
        self._clock = clock

    async def issue(
        self,
        inviter: str,
        scopes: frozenset[str],
        organisation_id: str | None,
        lifetime: timedelta,
        uses: int,
        *,
        sandbox: bool,
    ) -> tuple[str, datetime]:
        """A new token, shown once, and when it expires."""
        token = secrets.token_urlsafe(32)
        invitation = Invitation(inviter, scopes, organisation_id, sandbox, self._clock.now() + lifetime, uses)
        row = {**vars(invitation), "scopes": sorted(scopes), "_id": fingerprint(token)}
        await self._rows.insert(row)
        return token, invitation.expires

    async def use(self, token: str, session: Session) -> Invitation | None:
        """Take one use of a token; None when it is unknown, expired or used up."""
        key = fingerprint(token)
        good = {"_id": key, "uses_left": {"$gt": 0}, "expires": {"$gt": self._clock.now()}}
        row = await self._rows.change(good, {"$inc": {"uses_left": -1}}, session=session)
        if row is None:
            return None
        fields = {name: value for name, value in row.items() if name != "_id"}
        return Invitation(**{**fields, "scopes": frozenset(row["scopes"])})


class Registrations:
    """The registration endpoint."""

    def __init__(self, clients: Clients, invitations: Invitations, outbox: Outbox) -> None:
        self._clients = clients
        self._invitations = invitations
        self._outbox = outbox
        self._recent: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def register(self, metadata: dict[str, Any], initial_token: str | None, network: str) -> dict[str, Any]:
        """The registered client (RFC 7591 section 3.2.1). Raises OAuth2Error."""
        if initial_token is None:
            self._count(network)
        return await self._outbox.transaction(lambda tx: self._register(tx, metadata, initial_token))

    async def _register(self, tx: Transaction, metadata: dict[str, Any], initial_token: str | None) -> dict[str, Any]:
        invitation = OPEN if initial_token is None else await self._invitations.use(initial_token, tx.session)
        if invitation is None:
            raise InvalidInvitation("The initial access token is unknown, expired or used up.")
        request = _request(metadata, invitation)
        secret = self._clients.new_secret(invitation.inviter, None, None, sandbox=invitation.sandbox)
        # What opens real data waits until a person has looked at it.
        trusted = invitation is OPEN or invitation.sandbox
        status = ClientStatus.ACTIVE if trusted else ClientStatus.PENDING
        client = await self._clients.register(
            tx, request, secret, invitation.inviter, status=status, self_registered=invitation is OPEN
        )
        return _answer(client, request, secret)

    def _count(self, network: str) -> None:
        now = time.monotonic()
        began, count = self._recent.get(network, (now, 0))
        if now - began >= _PERIOD_SECONDS:
            began, count = now, 0
        if count >= _MOST:
            raise TooManyRegistrations("Too many clients were registered from here. Wait a minute.")
        self._recent[network] = (began, count + 1)
        self._recent.move_to_end(network)
        if len(self._recent) > _MOST_ADDRESSES:
            self._recent.popitem(last=False)


def _request(metadata: dict[str, Any], invitation: Invitation) -> ClientRequest:
    """The client that the metadata describes, within what is allowed. Raises InvalidClientMetadata."""
    if "jwks_uri" in metadata:
        raise InvalidClientMetadata("Send the keys themselves as jwks; addresses are not fetched.")
    responses = metadata.get("response_types", ["code"])
    if "client_credentials" not in str(metadata.get("grant_types")) and responses != ["code"]:
        raise InvalidClientMetadata("The only response type is code.")
    asked, allowed = metadata.get("scope", ""), invitation.scopes
    if not isinstance(asked, str):
        raise InvalidClientMetadata("scope is a text with spaces between scopes.")
    scopes = frozenset(asked.split()) or allowed
    if not scopes <= allowed:
        raise InvalidClientMetadata(f"A client may have these scopes here: {' '.join(in_order(allowed))}.")
    # RFC 7591 section 2 says what is meant by what is left out.
    fields = {"grant_types": ["authorization_code"], "token_endpoint_auth_method": "client_secret_basic"}
    fields |= {name: metadata[name] for name in _READ if metadata.get(name) is not None}
    body = {
        **fields,
        "name": metadata.get("client_name") or "An app without a name",
        "scopes": in_order(scopes),
        "organisation_id": invitation.organisation_id,
        "sandbox": invitation.sandbox,
    }
    try:
        return ClientRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = _FORBIDDEN.sub("'", f"{place}: {first['msg']}".removeprefix(": "))
        raise (InvalidRedirectUri if place.startswith(_REDIRECTS) else InvalidClientMetadata)(said) from error


def _answer(client: ClientView, request: ClientRequest, secret: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "scope": " ".join(client.scopes),
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        **request.about(),
    }
    if client.token_endpoint_auth_method == "client_secret_basic":
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return answer | ({"jwks": request.jwks} if request.jwks is not None else {})
