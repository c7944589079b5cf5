"""Credits over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from assessment.credits.domain import (
    AppealOpen,
    CreditState,
    DateOutOfOrder,
    NotAchieved,
    PersonNeeded,
    SeparationOfDuties,
    UnfitMarks,
    WrongState,
)
from assessment.credits.schemas import CreditView, NewAssessment, NewRecognition, NewValidation
from assessment.credits.service import Credits

router = service_router("credits", "/assessment/v1")
Service = Annotated[Credits, Provided(Credits)]
Reader = Annotated[
    Principal,
    Requires(
        "assessment.transcripts:read",
        "assessment.marks:write",
        "assessment.credits:validate",
        "assessment.credits:recognise",
    ),
]
Assessor = Annotated[Principal, Requires("assessment.marks:write")]
Validator = Annotated[Principal, Requires("assessment.credits:validate")]
Recogniser = Annotated[Principal, Requires("assessment.credits:recognise")]


@router.post(
    "/submissions/{submission_id}/assessment",
    status_code=201,
    responses=refusals(
        AppealOpen, DateOutOfOrder, NotAchieved, PersonNeeded, SeparationOfDuties, UnfitMarks, WrongState
    ),
)
async def assess(
    submission_id: str, body: NewAssessment, principal: Assessor, service: Service, once: Once
) -> CreditView:
    """Mark every outcome of the unit on the evidence handed in for it: the first step of the ECVET chain.

    All evidence that the learner handed in for the unit counts as assessed. The caller acts for the plan's assessing
    institution. The unit is achieved when all required outcomes are; if it is not, the learner may hand in again.
    """
    return await once(CreditView, lambda tx: service.assess(tx, principal, submission_id, body))


@router.post(
    "/credits/{credit_id}/validation",
    responses=refusals(AppealOpen, DateOutOfOrder, NotAchieved, PersonNeeded, SeparationOfDuties, WrongState),
)
async def validate(
    credit_id: str, body: NewValidation, principal: Validator, service: Service, once: Once
) -> CreditView:
    """Confirm that the assessed outcomes match those the unit requires: the second step.

    For a person of the plan's validating institution who did not assess (403 separation_of_duties).
    """
    return await once(CreditView, lambda tx: service.validate(tx, principal, credit_id, body))


@router.post(
    "/credits/{credit_id}/recognition",
    responses=refusals(AppealOpen, DateOutOfOrder, NotAchieved, PersonNeeded, SeparationOfDuties, WrongState),
)
async def recognise(
    credit_id: str, body: NewRecognition, principal: Recogniser, service: Service, once: Once
) -> CreditView:
    """Officially attest the outcomes: the third step, after which the points are the learner's.

    For a person of the plan's recognising institution who neither assessed nor validated. When it was the last unit of
    the learner's programme version, the programme is completed.
    """
    return await once(CreditView, lambda tx: service.recognise(tx, principal, credit_id, body))


@router.get("/credits")
async def list_credits(
    request: Request,
    response: Response,
    principal: Reader,
    service: Service,
    paging: Paged,
    enrolment_id: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[CreditState | None, Query()] = None,
) -> Page[CreditView]:
    """Credits that the caller may see: a learner's own, an institution's by its duties, all for coordinators."""
    items = await service.page(principal, enrolment_id, state, paging)
    return page_of(request, response, items, paging, lambda credit: credit.credit_id)


@router.get("/credits/{credit_id}")
async def read_credit(credit_id: str, etag: Tagged, principal: Reader, service: Service) -> CreditView:
    """One credit with its marks, its steps and its history."""
    credit = await service.read(principal, credit_id)
    etag.set(credit.revision)
    return credit
