"""The read model of published programme versions: what calls and agreements are checked against."""

from cme_kit.mongo import Database, Index, Session
from pydantic import BaseModel, ConfigDict

PROGRAMMES = "programmes"
INDEXES: tuple[Index, ...] = ()  # read by _id only


class ProgrammeVersion(BaseModel):
    """A published version, as far as enrolment needs it. It never changes."""

    model_config = ConfigDict(frozen=True)

    programme_id: str
    version: int
    title: dict[str, str]
    content_hash: str
    unit_ids: list[str]


def _key(programme_id: str, version: int) -> str:
    return f"{programme_id}:{version}"


class ProgrammeRepository:
    """Published programme versions by programme and number."""

    def __init__(self, database: Database) -> None:
        self._programmes = database.collection(PROGRAMMES)

    async def keep(self, programme: ProgrammeVersion, session: Session) -> None:
        """Store a published version; again is the same."""
        key = _key(programme.programme_id, programme.version)
        await self._programmes.replace({"_id": key}, programme.model_dump(), upsert=True, session=session)

    async def find(self, programme_id: str, version: int, session: Session | None = None) -> ProgrammeVersion | None:
        """A published version, or None when none has arrived here."""
        found = await self._programmes.find_one({"_id": _key(programme_id, version)}, session=session)
        return ProgrammeVersion.model_validate(found) if found else None
