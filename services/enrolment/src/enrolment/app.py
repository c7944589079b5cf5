"""The composition root of enrolment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_kit.app import create_service_app, provide
from cme_kit.platform import Platform, open_platform
from fastapi import FastAPI

from enrolment.agreements import repository as agreement_store
from enrolment.agreements import router as agreement_http
from enrolment.agreements.service import Agreements
from enrolment.applications import repository as application_store
from enrolment.applications import router as application_http
from enrolment.applications.service import Applications
from enrolment.calls import repository as call_store
from enrolment.calls import router as call_http
from enrolment.calls.service import Calls
from enrolment.learners import repository as learner_store
from enrolment.learners import router as learner_http
from enrolment.learners.service import Learners
from enrolment.offers import repository as offer_store
from enrolment.offers import router as offer_http
from enrolment.offers.service import Offers
from enrolment.organisations import repository as organisation_store
from enrolment.organisations import router as organisation_http
from enrolment.organisations.service import Organisations
from enrolment.people import repository as person_store
from enrolment.people import router as person_http
from enrolment.people.service import People
from enrolment.programmes import repository as programme_store
from enrolment.programmes.service import Programmes
from enrolment.selection import router as selection_http
from enrolment.selection.service import Selections
from enrolment.settings import Settings
from enrolment.subscriptions import subscriptions

SERVICE = "enrolment"
STORES = (
    agreement_store, application_store, call_store, learner_store,
    offer_store, organisation_store, person_store, programme_store,
)  # fmt: skip
FEATURES = (
    organisation_http, person_http, call_http, application_http,
    selection_http, offer_http, learner_http, agreement_http,
)  # fmt: skip


def build(settings: Settings) -> FastAPI:
    """The app of enrolment with these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        indexes = [index for store in STORES for index in store.INDEXES]
        async with open_platform(SERVICE, settings, indexes) as platform:
            programmes = programme_store.ProgrammeRepository(platform.database)
            services = compose(platform, programmes)
            offers = services[Offers]
            assert isinstance(offers, Offers)  # the table maps each class to its instance
            provide(app, platform, services)
            await platform.start(subscriptions(Programmes(programmes)))
            platform.every(settings.offer_sweep_seconds, "offer expiry", offers.expire_due)
            yield

    return create_service_app(SERVICE, "Enrolment", settings, [feature.router for feature in FEATURES], lifespan)


def compose(platform: Platform, programmes: programme_store.ProgrammeRepository) -> dict[type, object]:
    """The services of enrolment on a platform, by their class."""
    database, outbox, clock = platform.database, platform.outbox, platform.clock
    call_repository = call_store.CallRepository(database)
    application_repository = application_store.ApplicationRepository(database)
    offer_repository = offer_store.OfferRepository(database)
    learner_repository = learner_store.LearnerRepository(database)

    organisations = Organisations(organisation_store.OrganisationRepository(database), clock)
    people = People(
        person_store.PersonRepository(database),
        application_repository,
        offer_repository,
        learner_repository,
        outbox,
        clock,
    )
    calls = Calls(call_repository, programmes, clock)
    applications = Applications(application_repository, call_repository, people, organisations, clock)
    offers = Offers(offer_repository, calls, call_repository, application_repository, learner_repository, outbox, clock)
    selections = Selections(calls, call_repository, application_repository, offers, offer_repository, clock)
    learners = Learners(learner_repository, calls, call_repository, offers, clock)
    agreements = Agreements(
        agreement_store.AgreementRepository(database), learner_repository, programmes, organisations, clock
    )
    built = (organisations, people, calls, applications, offers, selections, learners, agreements)
    return {type(service): service for service in built}
