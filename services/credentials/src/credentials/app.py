"""The composition root of credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_kit.app import create_service_app, provide
from cme_kit.pages import Pages
from cme_kit.platform import open_platform
from fastapi import FastAPI

from credentials.achievements import repository as achievement_rows
from credentials.achievements.repository import AchievementRepository
from credentials.achievements.router import router as achievements_router
from credentials.achievements.service import Achievements
from credentials.awards import repository as award_rows
from credentials.awards.repository import AwardRepository, CredentialRepository
from credentials.awards.router import router as awards_router
from credentials.awards.service import Awards
from credentials.badges.router import router as badges_router
from credentials.badges.service import Badges
from credentials.holders import repository as holder_rows
from credentials.holders.repository import HolderRepository
from credentials.holders.service import Holders
from credentials.issuance.service import Issuance
from credentials.keys import repository as key_rows
from credentials.keys.domain import KeyFileSigner
from credentials.keys.repository import KeyRepository
from credentials.keys.router import router as keys_router
from credentials.keys.service import Issuer
from credentials.settings import Settings
from credentials.status import repository as status_rows
from credentials.status.repository import StatusListRepository
from credentials.status.router import router as status_router
from credentials.status.service import StatusLists
from credentials.subscriptions import subscriptions
from credentials.verification.router import router as verification_router
from credentials.verification.service import Verification

ROUTERS = [awards_router, achievements_router, status_router, verification_router, badges_router, keys_router]
INDEXES = [
    *achievement_rows.INDEXES,
    *award_rows.INDEXES,
    *holder_rows.INDEXES,
    *key_rows.INDEXES,
    *status_rows.INDEXES,
]
#: How often to look for intents that another replica, or this one before a crash, left unfinished.
SWEEP_SECONDS = 5.0


def build(settings: Settings) -> FastAPI:
    """The app, composed by hand."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Read before anything else: without its key the service must not come up.
        signer = KeyFileSigner(settings.signing_key_file)
        async with open_platform("credentials", settings, INDEXES) as platform:
            database, clock = platform.database, platform.clock
            issuer = Issuer(settings.public_url, signer, KeyRepository(database), clock)
            await issuer.publish_key()
            lists = StatusLists(issuer, StatusListRepository(database), clock)
            await lists.start()
            awards, credentials = AwardRepository(database), CredentialRepository(database)
            achievements, holders = AchievementRepository(database), HolderRepository(database)
            issuance = Issuance(issuer, awards, credentials, lists, platform.outbox, clock)
            awarding = Awards(issuer, awards, credentials, achievements, holders, lists, issuance, clock)
            achieving = Achievements(achievements)
            verification = Verification(issuer, lists, clock)
            services = {
                Issuer: issuer,
                StatusLists: lists,
                Awards: awarding,
                Achievements: achieving,
                Verification: verification,
                Badges: Badges(issuer, credentials, awards, achievements, holders),
                Pages: Pages("credentials"),
            }
            provide(app, platform, services)
            platform.every(SWEEP_SECONDS, "issuance", issuance.finish_all, issuance.woken)
            await platform.start(subscriptions(achieving, Holders(holders), awarding))
            yield

    return create_service_app("credentials", "Credentials", settings, ROUTERS, lifespan)
