"""HTTP of learners."""

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from enrolment.learners.schemas import LearnerView, NewWithdrawal
from enrolment.learners.service import AlreadyWithdrawn, Learners, WithdrawnInFuture

router = service_router("learners", "/enrolment/v1/learners")
Service = Annotated[Learners, Provided(Learners)]


@router.get("")
async def list_learners(
    request: Request,
    response: Response,
    service: Service,
    paging: Paged,
    _: Annotated[Principal, Requires("enrolment.learners:read")],
    cohort_id: str | None = None,
) -> Page[LearnerView]:
    """The learners of a cohort, or of all cohorts, oldest first."""
    found = await service.page(cohort_id, paging)
    return page_of(request, response, found, paging, lambda learner: learner.enrolment_id)


@router.get("/mine")
async def list_own_enrolments(
    request: Request,
    response: Response,
    service: Service,
    paging: Paged,
    principal: Annotated[Principal, Requires("enrolment.offers:answer")],
) -> Page[LearnerView]:
    """Your own enrolments, oldest first."""
    found = await service.page_of_person(principal, paging)
    return page_of(request, response, found, paging, lambda learner: learner.enrolment_id)


@router.get("/{enrolment_id}")
async def read_learner(
    enrolment_id: str,
    service: Service,
    principal: Annotated[
        Principal, Requires("enrolment.learners:read", "enrolment.offers:answer", "enrolment.agreements:approve")
    ],
) -> LearnerView:
    """A learner: yourself, one of your organisation, or any when you read all learners."""
    return await service.get(enrolment_id, principal)


@router.post("/{enrolment_id}/withdrawal", responses=refusals(AlreadyWithdrawn, WithdrawnInFuture))
async def withdraw_learner(
    enrolment_id: str,
    withdrawal: NewWithdrawal,
    service: Service,
    once: Once,
    principal: Annotated[Principal, Requires("enrolment.learners:write")],
) -> LearnerView:
    """Record that a learner leaves. Recognised credit stays; before the start the seat goes to the waiting list."""
    async with service.in_turn(enrolment_id):
        return await once(LearnerView, lambda tx: service.withdraw(tx, enrolment_id, withdrawal, principal))
