"""What the world may see of an issued credential."""

from __future__ import annotations

from dataclasses import dataclass

from cme_kit.problems import NotFound

from credentials.achievements.domain import Achievement
from credentials.achievements.repository import AchievementRepository
from credentials.awards.domain import Award, CredentialState, credential_url
from credentials.awards.repository import AwardRepository, CredentialRepository
from credentials.badges.domain import Badge, bake, draw, training_year
from credentials.holders.repository import HolderRepository
from credentials.jsonld.domain import Json
from credentials.keys.service import Issuer

PUBLIC = (CredentialState.ISSUED, CredentialState.REVOKED)


@dataclass(frozen=True)
class PublicBadge:
    """A badge with what its page tells; `holder` is None once the person was erased."""

    credential_id: str
    signed: Json
    revoked: bool
    award: Award
    achievement: Achievement
    holder: str | None


class Badges:
    """Issued and revoked credentials by their public address."""

    def __init__(
        self,
        issuer: Issuer,
        credentials: CredentialRepository,
        awards: AwardRepository,
        achievements: AchievementRepository,
        holders: HolderRepository,
    ) -> None:
        self._issuer = issuer
        self._credentials = credentials
        self._awards = awards
        self._achievements = achievements
        self._holders = holders

    async def signed(self, credential_id: str) -> Json:
        """The signed document of a public credential. Raises NotFound."""
        credential = await self._credentials.find(credential_id)
        if credential is None or credential.signed is None or credential.state not in PUBLIC:
            raise NotFound("badge")
        return credential.signed

    async def find(self, credential_id: str) -> PublicBadge:
        """A badge with its page's facts. Raises NotFound."""
        credential = await self._credentials.find(credential_id)
        if credential is None or credential.signed is None or credential.state not in PUBLIC:
            raise NotFound("badge")
        award = await self._awards.find(credential.award_id)
        achievement = await self._achievements.find(award.achievement_id) if award else None
        if award is None or achievement is None:
            raise NotFound("badge")
        holder = await self._holders.find(award.person_id)
        revoked = credential.state is CredentialState.REVOKED
        name = holder.name if holder else None
        return PublicBadge(credential_id, credential.signed, revoked, award, achievement, name)

    def id_of(self, url: str) -> str | None:
        """The credential id of a badge's address, or None for an address of somebody else."""
        prefix = credential_url(self._issuer.public_url, "")
        return url.removeprefix(prefix).partition("?")[0] if url.startswith(prefix) else None

    async def image(self, credential_id: str) -> str:
        """The badge as a baked SVG: the drawing carries the signed document. Raises NotFound."""
        badge = await self.find(credential_id)
        drawing = draw(badge_of(badge.achievement, training_year(badge.award.attestation.attested_on)))
        return bake(drawing, badge.signed)


def badge_of(achievement: Achievement, label: str) -> Badge:
    """The drawing parameters of an achievement; `label` stands under the title."""
    title = achievement.title.get("en") or next(iter(achievement.title.values()))
    return Badge(
        module=achievement.unit.module if achievement.unit else 0,
        title=title,
        year=label,
        modules=achievement.modules,
        points=achievement.programme_points,
    )
