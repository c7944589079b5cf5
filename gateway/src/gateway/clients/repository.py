"""The registered clients."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.clients.domain import Client, ClientSecret, ClientStatus, Profile

CLIENTS = "clients"
INDEXES = (
    Index(CLIENTS, ("owner", "_id")),
    Index(CLIENTS, ("status", "_id")),
    Index(CLIENTS, ("changed",)),
    Index(CLIENTS, ("origins",)),
    Index(CLIENTS, ("removed",), expire_seconds=24 * 3600),
)
_LISTED = {"status": {"$ne": ClientStatus.REMOVED.value}}


class ClientRepository:
    """Clients by their id."""

    def __init__(self, database: Database) -> None:
        self._clients = database.collection(CLIENTS)

    async def add(self, client: Client, now: datetime, session: Session) -> None:
        """Store a new client. Raises DuplicateKeyError."""
        await self._clients.insert(row_of(client) | {"changed": now}, session=session)

    async def put(self, client: Client, now: datetime) -> None:
        """Store a client, over the one with the same id."""
        row = row_of(client) | {"changed": now}
        await self._clients.replace({"_id": client.client_id}, row, upsert=True)

    async def change(self, client: Client, now: datetime, session: Session) -> None:
        """Store what a client has become."""
        row = {key: value for key, value in row_of(client).items() if key != "_id"}
        await self._clients.update({"_id": client.client_id}, {"$set": row | {"changed": now}}, session=session)

    async def remove(self, client_id: str, now: datetime, session: Session) -> bool:
        """Mark a client as removed; whether there was one."""
        gone: Document = {"status": ClientStatus.REMOVED.value, "secrets": [], "jwks": None, "owner": None}
        update = {"$set": gone | {"removed": now, "changed": now}}
        return await self._clients.update({"_id": client_id} | _LISTED, update, session=session) == 1

    async def find(self, client_id: str, session: Session | None = None) -> Client | None:
        """The client with an id."""
        row = await self._clients.find_one({"_id": client_id}, session=session)
        return _client(row) if row else None

    async def page(self, after: str | None, limit: int) -> list[Client]:
        """Clients by id after a cursor, one more than `limit`."""
        rows = await self._clients.find({"_id": {"$gt": after or ""}} | _LISTED, sort=[("_id", 1)], limit=limit + 1)
        return [_client(row) for row in rows]

    async def is_origin(self, origin: str) -> bool:
        """Whether an active client registered an origin."""
        asked = {"origins": origin, "status": ClientStatus.ACTIVE.value}
        return await self._clients.find_one(asked) is not None

    async def owned_by(self, subject: str) -> list[Client]:
        """The clients that a person made, by id."""
        rows = await self._clients.find({"owner": subject}, sort=[("_id", 1)])
        return [_client(row) for row in rows]

    async def count_owned(self, subject: str, session: Session) -> int:
        """How many clients a person made."""
        return await self._clients.count({"owner": subject}, session)

    async def waiting(self, limit: int) -> list[Client]:
        """Clients that somebody has yet to approve, by id."""
        pending = {"status": ClientStatus.PENDING.value}
        return [_client(row) for row in await self._clients.find(pending, sort=[("_id", 1)], limit=limit)]

    async def changed_since(self, moment: datetime) -> list[str]:
        """The ids of clients that changed at a moment or later."""
        rows = await self._clients.find({"changed": {"$gte": moment}}, fields=["_id"])
        return [row["_id"] for row in rows]


def row_of(client: Client) -> Document:
    """How a client is stored, but for when it changed."""
    return {
        "_id": client.client_id,
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": sorted(client.grant_types),
        "auth_method": client.auth_method,
        "secrets": [vars(secret) for secret in client.secrets],
        "jwks": client.jwks,
        "scopes": sorted(client.scopes),
        "organisation_id": client.organisation_id,
        "profile": client.profile.value,
        "status": client.status.value,
        "sandbox": client.sandbox,
        "dpop_bound": client.dpop_bound,
        "self_registered": client.self_registered,
        "owner": client.owner,
        "origins": list(client.origins),
        "about": client.about,
        "created": client.created,
    }


def _client(row: Document) -> Client:
    return Client(
        client_id=row["_id"],
        name=row["name"],
        redirect_uris=tuple(row["redirect_uris"]),
        grant_types=frozenset(row["grant_types"]),
        auth_method=row["auth_method"],
        secrets=tuple(ClientSecret(**secret) for secret in row["secrets"]),
        jwks=row["jwks"],
        scopes=frozenset(row["scopes"]),
        organisation_id=row["organisation_id"],
        profile=Profile(row["profile"]),
        status=ClientStatus(row["status"]),
        sandbox=row["sandbox"],
        dpop_bound=row["dpop_bound"],
        self_registered=row["self_registered"],
        owner=row["owner"],
        origins=tuple(row["origins"]),
        about=row["about"],
        created=row["created"],
    )
