"""Achievements come from published programmes and never change."""

from __future__ import annotations

from cme_contracts.curriculum import ProgrammePublished
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound

from credentials.achievements.domain import Achievement, achievements_of
from credentials.achievements.repository import AchievementRepository


class Achievements:
    """What badges are given for."""

    def __init__(self, achievements: AchievementRepository) -> None:
        self._achievements = achievements

    async def programme_published(self, tx: Transaction, event: ProgrammePublished) -> None:
        """Make an achievement of each unit and of the whole."""
        if await self._achievements.exists_for(event.programme_id, event.version, tx.session):
            return
        ids = [new_id("ach") for _ in range(len(event.units) + 1)]
        await self._achievements.insert_all(achievements_of(event, ids), tx.session)

    async def find(self, achievement_id: str) -> Achievement:
        """An achievement. Raises NotFound."""
        if (found := await self._achievements.find(achievement_id)) is None:
            raise NotFound("achievement")
        return found
