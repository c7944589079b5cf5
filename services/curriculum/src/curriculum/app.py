"""The composition root of curriculum."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_kit.app import create_service_app, provide
from cme_kit.pages import Pages
from cme_kit.platform import open_platform
from fastapi import FastAPI

from curriculum.catalogue import repository as catalogue_repository
from curriculum.catalogue import router as catalogue_router
from curriculum.catalogue.domain import Addresses
from curriculum.catalogue.repository import ChangeRepository, CourseRepository
from curriculum.catalogue.service import Catalogue
from curriculum.courses import router as courses_router
from curriculum.offerings import repository as offering_repository
from curriculum.offerings import router as offering_router
from curriculum.offerings.repository import OfferingRepository
from curriculum.offerings.service import Offerings
from curriculum.profiles import repository as profile_repository
from curriculum.profiles import router as profile_router
from curriculum.profiles.repository import ProfileRepository, load_skills
from curriculum.profiles.service import Profiles
from curriculum.programmes import repository as programme_repository
from curriculum.programmes import router as programme_router
from curriculum.programmes.repository import ProgrammeRepository, VersionRepository
from curriculum.programmes.service import Programmes
from curriculum.reviews import repository as review_repository
from curriculum.reviews import router as review_router
from curriculum.reviews.repository import ReviewRepository
from curriculum.reviews.service import Reviews
from curriculum.settings import Settings
from curriculum.subscriptions import subscriptions

INDEXES = (
    *profile_repository.INDEXES,
    *programme_repository.INDEXES,
    *review_repository.INDEXES,
    *offering_repository.INDEXES,
    *catalogue_repository.INDEXES,
)
ROUTERS = (
    profile_router.router,
    programme_router.router,
    review_router.router,
    offering_router.router,
    catalogue_router.router,
    courses_router.router,
)


def build(settings: Settings) -> FastAPI:
    """The app of curriculum."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_platform("curriculum", settings, INDEXES) as platform:
            database, clock, skills = platform.database, platform.clock, load_skills()
            profile_rows, version_rows = ProfileRepository(database), VersionRepository(database)
            catalogue = Catalogue(CourseRepository(database), ChangeRepository(database), skills, clock)
            programmes = Programmes(ProgrammeRepository(database), version_rows, profile_rows, catalogue, skills, clock)
            reviews = Reviews(ReviewRepository(database), version_rows, clock)
            provided = {
                Profiles: Profiles(profile_rows, skills, clock),
                Programmes: programmes,
                Reviews: reviews,
                Offerings: Offerings(OfferingRepository(database), version_rows, catalogue, clock),
                Catalogue: catalogue,
                Addresses: Addresses(settings.public_url),
                Pages: Pages("curriculum"),
            }
            provide(app, platform, provided)
            await platform.start(subscriptions(reviews))
            yield

    return create_service_app("curriculum", "Curriculum", settings, ROUTERS, lifespan)
