"""Where programmes and their versions are kept."""

from __future__ import annotations

from cme_kit.mongo import Database, Document, DuplicateKeyError, Index, Session

from curriculum.programmes.domain import Programme, Version, VersionState

PROGRAMMES = "programmes"
VERSIONS = "versions"
INDEXES = (
    Index(PROGRAMMES, ("slug",), unique=True),
    Index(VERSIONS, ("programme_id", "version"), unique=True),
)


class SlugTakenError(Exception):
    """Another programme has this slug."""


def _key(programme_id: str, version: int) -> str:
    return f"{programme_id}/{version}"


class ProgrammeRepository:
    """Stores and finds programmes."""

    def __init__(self, database: Database) -> None:
        self._programmes = database.collection(PROGRAMMES)

    async def add(self, programme: Programme, session: Session) -> None:
        """Store a new programme. Raises SlugTakenError."""
        try:
            await self._programmes.insert({"_id": programme.programme_id, **programme.model_dump(mode="json")}, session)
        except DuplicateKeyError as error:
            raise SlugTakenError(programme.slug) from error

    async def find(self, programme_id: str, session: Session | None = None) -> Programme | None:
        """The programme with this id."""
        found = await self._programmes.find_one({"_id": programme_id}, session)
        return Programme.model_validate(found) if found else None

    async def find_by_slug(self, slug: str) -> Programme | None:
        """The programme with this name in addresses."""
        found = await self._programmes.find_one({"slug": slug})
        return Programme.model_validate(found) if found else None

    async def page(self, after: str | None, limit: int) -> list[Programme]:
        """Programmes after a cursor, oldest first."""
        later: Document = {"_id": {"$gt": after}} if after else {}
        found = await self._programmes.find(later, sort=[("_id", 1)], limit=limit)
        return [Programme.model_validate(row) for row in found]

    async def set_latest(self, programme_id: str, version: int, session: Session) -> None:
        """Count the next version."""
        await self._programmes.update({"_id": programme_id}, {"$set": {"latest_version": version}}, session=session)

    async def set_published(self, programme_id: str, version: int | None, session: Session) -> None:
        """Say which version the catalogue shows; None for none."""
        await self._programmes.update({"_id": programme_id}, {"$set": {"published_version": version}}, session=session)


class VersionRepository:
    """Stores and finds versions. Nothing here can change a published one."""

    def __init__(self, database: Database) -> None:
        self._versions = database.collection(VERSIONS)

    async def add(self, version: Version, session: Session) -> None:
        """Store a new version."""
        await self._versions.insert(self._document(version), session)

    async def find(self, programme_id: str, version: int, session: Session | None = None) -> Version | None:
        """One version of a programme."""
        found = await self._versions.find_one({"_id": _key(programme_id, version)}, session)
        return Version.model_validate(found) if found else None

    async def of_programme(self, programme_id: str) -> list[Version]:
        """Every version of a programme, oldest first."""
        found = await self._versions.find({"programme_id": programme_id}, sort=[("version", 1)])
        return [Version.model_validate(row) for row in found]

    async def replace(self, version: Version, session: Session) -> bool:
        """Store the next revision of an unpublished version; False when somebody else was faster."""
        former = {
            "_id": _key(version.programme_id, version.version),
            "revision": version.revision - 1,
            "state": {"$ne": VersionState.PUBLISHED},
        }
        return await self._versions.replace(former, self._document(version), session=session) == 1

    @staticmethod
    def _document(version: Version) -> Document:
        return {"_id": _key(version.programme_id, version.version), **version.model_dump(mode="json")}
