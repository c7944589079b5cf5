"""Which person of which provider may sign in to which account."""

from __future__ import annotations

from cme_kit.mongo import Database, Document, Index, Session

from gateway.upstream.domain import Link

LINKS = "upstream_links"
INDEXES = (Index(LINKS, ("subject",)),)


class LinkRepository:
    """Links by (issuer, sub) and by account."""

    def __init__(self, database: Database) -> None:
        self._links = database.collection(LINKS)

    async def add(self, link: Link, session: Session) -> None:
        """Store a new link. Raises DuplicateKeyError when that person has one."""
        row = {"_id": _key(link.issuer, link.sub), "subject": link.subject, "created": link.created}
        await self._links.insert(row, session=session)

    async def subject_of(self, issuer: str, sub: str) -> str | None:
        """The account of a provider's person."""
        row = await self._links.find_one({"_id": _key(issuer, sub)})
        return str(row["subject"]) if row else None

    async def of(self, subject: str, session: Session | None = None) -> list[Link]:
        """The links of an account."""
        rows = await self._links.find({"subject": subject}, sort=[("_id", 1)], session=session)
        return [_link(row) for row in rows]

    async def remove(self, subject: str, issuer: str, sub: str, session: Session) -> bool:
        """Remove a link of an account; whether there was one."""
        return await self._links.delete({"_id": _key(issuer, sub), "subject": subject}, session) == 1

    async def forget(self, subject: str, session: Session) -> None:
        """Remove all links of an account."""
        await self._links.delete({"subject": subject}, session)


def _key(issuer: str, sub: str) -> str:
    # An issuer is a URL and holds no space.
    return f"{issuer} {sub}"


def _link(row: Document) -> Link:
    issuer, _, sub = row["_id"].partition(" ")
    return Link(issuer, sub, row["subject"], row["created"])
