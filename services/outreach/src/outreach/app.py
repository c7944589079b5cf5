"""The composition root of outreach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_kit.app import create_service_app, provide
from cme_kit.platform import open_platform
from fastapi import FastAPI

from outreach.addressing.domain import AddressKeys
from outreach.answers.router import router as answers_router
from outreach.answers.service import Answers
from outreach.campaigns import repository as campaigns_repository
from outreach.campaigns.router import router as campaigns_router
from outreach.campaigns.service import Campaigns
from outreach.consents import repository as consents_repository
from outreach.consents.router import router as consents_router
from outreach.consents.service import Consents
from outreach.contacts import repository as contacts_repository
from outreach.contacts.router import router as contacts_router
from outreach.contacts.service import Contacts
from outreach.directory import repository as directory_repository
from outreach.directory.router import router as directory_router
from outreach.directory.service import Clusters
from outreach.imports import repository as imports_repository
from outreach.imports.router import router as imports_router
from outreach.imports.service import Imports
from outreach.indicators.router import router as indicators_router
from outreach.indicators.service import Indicators
from outreach.labels import repository as labels_repository
from outreach.labels.router import router as labels_router
from outreach.labels.service import Labels
from outreach.mail.service import MailRelay
from outreach.reviews import repository as reviews_repository
from outreach.reviews.router import router as reviews_router
from outreach.reviews.service import Reviews
from outreach.sending import repository as sending_repository
from outreach.sending.service import Sender
from outreach.settings import Settings
from outreach.subscriptions import subscriptions
from outreach.touchpoints import repository as touchpoints_repository
from outreach.touchpoints.router import router as touchpoints_router
from outreach.touchpoints.service import Touchpoints

REPOSITORIES = (
    campaigns_repository,
    consents_repository,
    contacts_repository,
    directory_repository,
    imports_repository,
    labels_repository,
    reviews_repository,
    sending_repository,
    touchpoints_repository,
)
ROUTERS = (
    directory_router,
    contacts_router,
    consents_router,
    imports_router,
    reviews_router,
    campaigns_router,
    touchpoints_router,
    indicators_router,
    labels_router,
    answers_router,
)


def build(settings: Settings) -> FastAPI:
    """The service on the engines that the settings name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        indexes = [index for repository in REPOSITORIES for index in repository.INDEXES]
        async with open_platform("outreach", settings, indexes) as platform:
            database, clock = platform.database, platform.clock
            keys = AddressKeys(settings.address_key.get_secret_value().encode())
            clusters = directory_repository.ClusterRepository(database)
            contacts = contacts_repository.ContactRepository(database)
            suppressions = contacts_repository.SuppressionRepository(database)
            ledger = consents_repository.ConsentRepository(database)
            reviews = reviews_repository.ReviewRepository(database)
            touchpoints = touchpoints_repository.TouchpointRepository(database)
            labels = labels_repository.LabelRepository(database)
            sends = sending_repository.SendRepository(database)
            campaigns = campaigns_repository.CampaignRepository(database)
            imports = imports_repository.ImportRepository(database)

            directory = Clusters(clusters, contacts, touchpoints, labels, sends, clock)
            people = Contacts(contacts, suppressions, ledger, clusters, keys, clock)
            consents = Consents(ledger, contacts, suppressions, clusters, keys, clock)
            evidence = Touchpoints(touchpoints, clusters, clock)
            sender = Sender(
                platform.outbox,
                campaigns,
                sends,
                contacts,
                MailRelay(settings.smtp_host, settings.smtp_port, settings.smtp_timeout),
                keys,
                clock,
                mail_from=settings.mail_from,
                public_url=settings.public_url,
                connections=settings.smtp_connections,
            )
            provide(
                app,
                platform,
                {
                    Clusters: directory,
                    Contacts: people,
                    Consents: consents,
                    Touchpoints: evidence,
                    Imports: Imports(
                        imports, clusters, contacts, suppressions, reviews, keys, clock, settings.root_path
                    ),
                    Reviews: Reviews(reviews, clusters, contacts, suppressions, keys, clock),
                    Campaigns: Campaigns(
                        campaigns, sends, contacts, clusters, keys, settings.mail_from, sender.woken, clock
                    ),
                    Indicators: Indicators(touchpoints, sends, clusters, clock, settings.root_path),
                    Labels: Labels(labels, clusters, clock),
                    Answers: Answers(platform.outbox, sends, suppressions, consents, evidence, keys, clock),
                },
            )
            await platform.start(subscriptions(directory, evidence, people))
            platform.run("sender", sender.run)
            try:
                yield
            finally:
                await sender.drain()

    return create_service_app("outreach", "Outreach", settings, ROUTERS, lifespan)
