"""Achievements, one for each unit of a programme version and one for the whole."""

from __future__ import annotations

from collections.abc import Sequence

from cme_kit.mongo import Database, Document, Index, Session

from credentials.achievements.domain import Achievement, Kind

ACHIEVEMENTS = "achievements"
INDEXES = (Index(ACHIEVEMENTS, ("programme_id", "programme_version", "subject_id"), unique=True),)


class AchievementRepository:
    """Achievements by id and by what they are given for."""

    def __init__(self, database: Database) -> None:
        self._achievements = database.collection(ACHIEVEMENTS)

    async def insert_all(self, achievements: Sequence[Achievement], session: Session) -> None:
        """Store new achievements."""
        await self._achievements.insert_many([_row(achievement) for achievement in achievements], session=session)

    async def exists_for(self, programme_id: str, version: int, session: Session) -> bool:
        """Whether the achievements of a programme version are there."""
        return await self.find_for(programme_id, version, programme_id, session) is not None

    async def find_for(self, programme_id: str, version: int, subject_id: str, session: Session) -> Achievement | None:
        """The achievement of a unit (its id) or of the whole programme (the programme's id)."""
        key = {"programme_id": programme_id, "programme_version": version, "subject_id": subject_id}
        return _achievement(await self._achievements.find_one(key, session=session))

    async def find(self, achievement_id: str, session: Session | None = None) -> Achievement | None:
        """An achievement, or None."""
        return _achievement(await self._achievements.find_one({"_id": achievement_id}, session=session))


def _row(achievement: Achievement) -> Document:
    facts = achievement.model_dump(mode="json", exclude={"achievement_id"})
    subject = achievement.units[0].unit_id if achievement.kind is Kind.UNIT else achievement.programme_id
    return {"_id": achievement.achievement_id, "subject_id": subject, **facts}


def _achievement(row: Document | None) -> Achievement | None:
    return Achievement.model_validate({**row, "achievement_id": row["_id"]}) if row else None
