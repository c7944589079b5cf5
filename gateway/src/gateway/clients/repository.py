"""The registered clients."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.clients.domain import Client

CLIENTS = "clients"
INDEXES: tuple[Index, ...] = ()


class ClientRepository:
    """Clients by their id."""

    def __init__(self, database: Database) -> None:
        self._clients = database.collection(CLIENTS)

    async def add(self, client: Client, created: datetime, session: Session) -> None:
        """Store a new client. Raises DuplicateKeyError."""
        await self._clients.insert(_row(client, created), session=session)

    async def put(self, client: Client, created: datetime) -> None:
        """Store a client, over the one with the same id."""
        await self._clients.replace({"_id": client.client_id}, _row(client, created), upsert=True)

    async def find(self, client_id: str) -> Client | None:
        """The client with an id."""
        row = await self._clients.find_one({"_id": client_id})
        return _client(row) if row else None

    async def page(self, after: str | None, limit: int) -> list[tuple[Client, datetime]]:
        """Clients by id after a cursor, one more than `limit`."""
        rows = await self._clients.find({"_id": {"$gt": after or ""}}, sort=[("_id", 1)], limit=limit + 1)
        return [(_client(row), row["created"]) for row in rows]


def _row(client: Client, created: datetime) -> Document:
    return {
        "_id": client.client_id,
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": sorted(client.grant_types),
        "auth_method": client.auth_method,
        "secret_hash": client.secret_hash,
        "jwks": client.jwks,
        "scopes": sorted(client.scopes),
        "organisation_id": client.organisation_id,
        "created": created,
    }


def _client(row: Document) -> Client:
    return Client(
        client_id=row["_id"],
        name=row["name"],
        redirect_uris=tuple(row["redirect_uris"]),
        grant_types=frozenset(row["grant_types"]),
        auth_method=row["auth_method"],
        secret_hash=row["secret_hash"],
        jwks=row["jwks"],
        scopes=frozenset(row["scopes"]),
        organisation_id=row["organisation_id"],
    )
