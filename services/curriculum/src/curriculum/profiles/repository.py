"""Where profiles are kept; and the ESCO skills, which come with the package."""

from __future__ import annotations

import csv
from importlib.resources import files

from cme_kit.mongo import Database, Document, Session

from curriculum.profiles.domain import Profile, Skills

PROFILES = "profiles"
#: Profiles are read by id, and listed in the order of their ids.
INDEXES = ()


def load_skills() -> Skills:
    """The ESCO skills that profiles and learning outcomes may refer to (ESCO 1.2, European Commission)."""
    with files("curriculum.profiles").joinpath("esco-skills.csv").open(encoding="utf-8") as lines:
        return {row["uri"]: row["preferred_label_en"] for row in csv.DictReader(lines)}


class ProfileRepository:
    """Stores and finds profiles."""

    def __init__(self, database: Database) -> None:
        self._profiles = database.collection(PROFILES)

    async def add(self, profile: Profile, session: Session) -> None:
        """Store a new profile."""
        await self._profiles.insert({"_id": profile.profile_id, **profile.model_dump(mode="json")}, session)

    async def find(self, profile_id: str, session: Session | None = None) -> Profile | None:
        """The profile with this id."""
        found = await self._profiles.find_one({"_id": profile_id}, session)
        return Profile.model_validate(found) if found else None

    async def page(self, after: str | None, limit: int) -> list[Profile]:
        """Profiles after a cursor, oldest first."""
        later: Document = {"_id": {"$gt": after}} if after else {}
        return [Profile.model_validate(row) for row in await self._profiles.find(later, sort=[("_id", 1)], limit=limit)]
