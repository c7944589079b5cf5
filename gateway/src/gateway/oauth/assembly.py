"""The part of the composition root that is about tokens: keys, grants, and the endpoints that clients call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit.auth import TokenVerifier
from cme_kit.clock import Clock
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox
from fastapi import FastAPI

from gateway.accounts.service import Accounts
from gateway.audit.service import Audit
from gateway.clients.service import Clients
from gateway.edge.tracing import Spans
from gateway.oauth import once, openid, pages, registration, registration_api, repository, router
from gateway.oauth.authentication import ClientAuthentication
from gateway.oauth.authorization import Authorizations
from gateway.oauth.following import Following
from gateway.oauth.grants import Grants
from gateway.oauth.inspection import Inspection
from gateway.oauth.keys import SigningKeys
from gateway.oauth.metadata import Metadata
from gateway.oauth.minting import Mint
from gateway.oauth.once import UsedOnce
from gateway.oauth.possession import Possession
from gateway.oauth.proofs import ProofUse
from gateway.oauth.registration import Invitations, Registrations
from gateway.oauth.requests import PushedRequests
from gateway.oauth.revocations import Revocations
from gateway.oauth.rotation import Rotation
from gateway.oauth.tokens import Tokens
from gateway.oauth.wire import BackChannel
from gateway.settings import Settings
from gateway.usage.service import Usage

INDEXES = (*repository.INDEXES, *once.INDEXES, *registration.INDEXES)
ROUTERS = (
    *(router.router, router.keys_router, pages.router, openid.router),
    *(registration_api.public_router, registration_api.router),
)


@dataclass(frozen=True)
class Ground:
    """What the authorization server stands on."""

    settings: Settings
    database: Database
    outbox: Outbox
    clock: Clock
    notices: Notices
    audit: Audit
    clients: Clients
    accounts: Accounts
    revocations: Revocations
    proofs: ProofUse
    keys: SigningKeys
    verifier: TokenVerifier
    usage: Usage
    spans: Spans


@dataclass(frozen=True)
class AuthorizationServer:
    """What was built: services for the handlers, the raw endpoints, and the task that keeps up with other replicas."""

    provided: dict[type, Any]
    back_channel: BackChannel
    following: Following


def install(app: FastAPI) -> None:
    """Routes and error handlers."""
    app.add_exception_handler(OAuth2Error, router.oauth_error)
    for added in ROUTERS:
        app.include_router(added)


def compose(ground: Ground) -> AuthorizationServer:
    """The authorization server."""
    issuer, clock = ground.settings.public_url, ground.clock
    rows = repository.GrantRepository(ground.database)
    grants = Grants(rows, ground.revocations, ground.audit, ground.database)
    mint = Mint(issuer, ground.keys, clock)
    used = UsedOnce(ground.database)
    authentication = ClientAuthentication(issuer, ground.clients, used, ground.audit, clock)
    possession = Possession(issuer, ground.proofs, used, clock)
    invitations = Invitations(ground.database, clock)
    rotation = Rotation(ground.keys, ground.audit, ground.settings.signing_key_days)
    back_channel = BackChannel(
        Tokens(mint, authentication, possession, ground.accounts, grants, ground.verifier, ground.database, clock),
        Inspection(issuer, authentication, ground.clients, grants, mint, ground.verifier, clock),
        PushedRequests(issuer, authentication, possession, rows, mint, clock),
        authentication,
        ground.usage,
        ground.spans,
    )
    provided: dict[type, Any] = {
        Authorizations: Authorizations(issuer, ground.clients, rows, mint, ground.audit, ground.database, clock),
        Grants: grants,
        Invitations: invitations,
        Metadata: Metadata.of(issuer),
        Registrations: Registrations(ground.clients, invitations, ground.outbox),
        Rotation: rotation,
        SigningKeys: ground.keys,
    }
    return AuthorizationServer(
        provided, back_channel, Following(ground.clients, ground.revocations, rotation, ground.notices)
    )
