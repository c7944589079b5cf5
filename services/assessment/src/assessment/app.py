"""Composition root of the assessment service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cme_kit.app import create_service_app, provide
from cme_kit.outbox import Outbox
from cme_kit.platform import open_platform
from fastapi import FastAPI

from assessment.appeals import repository as appeals_repository
from assessment.appeals.repository import AppealRepository
from assessment.appeals.router import router as appeals_router
from assessment.appeals.service import Appeals
from assessment.credits import repository as credits_repository
from assessment.credits.repository import CreditRepository
from assessment.credits.router import router as credits_router
from assessment.credits.service import Credits
from assessment.erasure.service import Erasure
from assessment.evidence import repository as evidence_repository
from assessment.evidence.repository import SubmissionRepository
from assessment.evidence.router import content_router
from assessment.evidence.router import router as evidence_router
from assessment.evidence.service import Evidence
from assessment.institutions import repository as institutions_repository
from assessment.institutions.repository import InstitutionRepository
from assessment.institutions.service import Institutions
from assessment.learners import repository as learners_repository
from assessment.learners.repository import LearnerRepository
from assessment.learners.service import Learners
from assessment.plans import repository as plans_repository
from assessment.plans.repository import PlanRepository
from assessment.plans.router import router as plans_router
from assessment.plans.service import Plans
from assessment.settings import Settings
from assessment.subscriptions import subscriptions
from assessment.transcripts.router import router as transcripts_router
from assessment.transcripts.service import Transcripts

SERVICE = "assessment"
INDEXES = [
    *institutions_repository.INDEXES,
    *plans_repository.INDEXES,
    *learners_repository.INDEXES,
    *evidence_repository.INDEXES,
    *credits_repository.INDEXES,
    *appeals_repository.INDEXES,
]
ROUTERS = [plans_router, evidence_router, content_router, credits_router, appeals_router, transcripts_router]


def build(settings: Settings) -> FastAPI:
    """The assessment service on the engines that the settings name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_platform(SERVICE, settings, INDEXES) as platform:
            database, clock = platform.database, platform.clock
            organisations = InstitutionRepository(database)
            plan_records = PlanRepository(database)
            learner_records = LearnerRepository(database)
            submissions = SubmissionRepository(database)
            credit_records = CreditRepository(database)
            appeal_records = AppealRepository(database)
            plans = Plans(plan_records, organisations)
            evidence = Evidence(submissions, learner_records, plan_records, credit_records, clock)
            credit_chain = Credits(credit_records, submissions, learner_records, plan_records, clock)
            appeals = Appeals(appeal_records, credit_records, submissions, learner_records, plan_records, clock)
            transcripts = Transcripts(learner_records, plan_records, credit_records, submissions)
            provide(
                app,
                platform,
                {
                    Outbox: platform.outbox,
                    Plans: plans,
                    Evidence: evidence,
                    Credits: credit_chain,
                    Appeals: appeals,
                    Transcripts: transcripts,
                },
            )
            erasure = Erasure(learner_records, submissions, credit_records, appeal_records)
            table = subscriptions(Institutions(organisations), plans, Learners(learner_records), erasure)
            await platform.start(table)
            yield

    return create_service_app(SERVICE, "Assessment", settings, ROUTERS, lifespan)
