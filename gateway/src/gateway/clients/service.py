"""Registering clients and checking their secrets."""

from __future__ import annotations

import secrets
from datetime import datetime

from cme_kit.clock import Clock
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict

from gateway.clients.domain import Client
from gateway.clients.repository import ClientRepository
from gateway.clients.schemas import ClientRequest, ClientView
from gateway.oauth.scopes import in_order
from gateway.peppered import Pepper

SECRET_HASH = "client secret hash"
SECRET = "client secret"


class ClientExists(Conflict):
    """The id is taken."""

    code = "client_exists"


class Clients:
    """The client registry."""

    def __init__(self, repository: ClientRepository, pepper: Pepper, clock: Clock) -> None:
        self._repository = repository
        self._pepper = pepper
        self._clock = clock

    async def ensure_bootstrap(self, client_id: str, secret: str) -> None:
        """Make the client that registers the others be as the settings say."""
        bootstrap = Client(
            client_id=client_id,
            name="Bootstrap",
            redirect_uris=(),
            grant_types=frozenset({"client_credentials"}),
            auth_method="client_secret_basic",
            scopes=frozenset({"gateway.accounts:write", "gateway.clients:write"}),
            secret_hash=self._pepper.derive(SECRET_HASH, secret),
        )
        await self._repository.put(bootstrap, self._clock.now())

    def new_secret(self, registrar: str, client_id: str | None, once_key: str | None) -> str:
        """A client secret of 256 bits.

        With an idempotency key it is derived from it, so that a repeated registration gets the same secret again
        although no secret is ever stored.
        """
        if once_key is None:
            return secrets.token_urlsafe(32)
        return self._pepper.derive(SECRET, registrar, client_id or "", once_key)

    async def register(self, tx: Transaction, request: ClientRequest, secret: str) -> ClientView:
        """Store a client. Raises ClientExists."""
        has_secret = request.token_endpoint_auth_method == "client_secret_basic"
        client = Client(
            client_id=request.client_id or f"cl_{secrets.token_hex(10)}",
            name=request.name,
            redirect_uris=tuple(request.redirect_uris),
            grant_types=frozenset(request.grant_types),
            auth_method=request.token_endpoint_auth_method,
            scopes=frozenset(request.scopes),
            secret_hash=self._pepper.derive(SECRET_HASH, secret) if has_secret else None,
            jwks=request.jwks,
            organisation_id=request.organisation_id,
        )
        created = self._clock.now()
        try:
            await self._repository.add(client, created, tx.session)
        except DuplicateKeyError as error:
            raise ClientExists("There is a client with this id already. Choose another id.") from error
        return _view(client, created)

    async def find(self, client_id: str) -> Client | None:
        """The client with an id."""
        return await self._repository.find(client_id)

    def secret_matches(self, client: Client, secret: str) -> bool:
        """Whether this is the client's secret."""
        return client.secret_hash is not None and self._pepper.matches(client.secret_hash, SECRET_HASH, secret)

    async def page(self, after: str | None, limit: int) -> list[ClientView]:
        """Clients by id after a cursor, one more than `limit`."""
        return [_view(client, created) for client, created in await self._repository.page(after, limit)]


def _view(client: Client, created: datetime) -> ClientView:
    return ClientView(
        client_id=client.client_id,
        name=client.name,
        redirect_uris=list(client.redirect_uris),
        grant_types=sorted(client.grant_types),
        token_endpoint_auth_method=client.auth_method,
        scopes=in_order(client.scopes),
        organisation_id=client.organisation_id,
        created_at=created,
    )
