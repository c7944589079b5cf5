"""Use cases of the occupational profile."""

from __future__ import annotations

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import NotFound, Unprocessable

from curriculum.profiles.domain import Area, Profile, Skills, area_faults
from curriculum.profiles.repository import ProfileRepository
from curriculum.profiles.schemas import NewProfile, Skill


class UnfitProfile(Unprocessable):
    """The profile breaks a rule."""

    code = "unfit_profile"


class Profiles:
    """Occupational profiles."""

    def __init__(self, profiles: ProfileRepository, skills: Skills, clock: Clock) -> None:
        self._profiles = profiles
        self._skills = skills
        self._clock = clock

    async def create(self, tx: Transaction, new: NewProfile) -> Profile:
        """Store a profile. Raises UnfitProfile."""
        areas = [Area(**area.model_dump()) for area in new.areas]
        if faults := area_faults(areas, self._skills):
            raise UnfitProfile("The profile was not saved; errors lists each field to change.", errors=faults)
        profile = Profile(
            profile_id=new_id("prf"),
            title=new.title,
            description=new.description,
            areas=areas,
            created_at=self._clock.now(),
        )
        await self._profiles.add(profile, tx.session)
        return profile

    async def get(self, profile_id: str) -> Profile:
        """One profile. Raises NotFound."""
        profile = await self._profiles.find(profile_id)
        if profile is None:
            raise NotFound("profile")
        return profile

    async def page(self, after: str | None, limit: int) -> list[Profile]:
        """Profiles after a cursor, oldest first."""
        return await self._profiles.page(after, limit)

    def skills(self) -> list[Skill]:
        """Every ESCO skill that may be referred to."""
        return [Skill(uri=uri, label=label) for uri, label in self._skills.items()]
