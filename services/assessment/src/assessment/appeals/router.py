"""Appeals over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from assessment.appeals.domain import AlreadyAppealed, AlreadyDecided, AppealState, DecisionDoesNotFit
from assessment.appeals.schemas import AppealView, NewAppeal, NewDecision
from assessment.appeals.service import Appeals
from assessment.credits.domain import (
    AppealOpen,
    DateOutOfOrder,
    PersonNeeded,
    SeparationOfDuties,
    UnfitMarks,
    WrongState,
)

router = service_router("appeals", "/assessment/v1")
Service = Annotated[Appeals, Provided(Appeals)]
Reader = Annotated[
    Principal, Requires("assessment.transcripts:read", "assessment.appeals:lodge", "assessment.appeals:decide")
]


@router.post(
    "/credits/{credit_id}/appeals", status_code=201, responses=refusals(AlreadyAppealed, AppealOpen, WrongState)
)
async def lodge_appeal(
    credit_id: str,
    body: NewAppeal,
    principal: Annotated[Principal, Requires("assessment.appeals:lodge")],
    appeals: Service,
    once: Once,
) -> AppealView:
    """Appeal against the marks of one's own unit, once per assessment and before they are validated.

    The credit cannot be validated, nor new evidence assessed, until the appeal is decided.
    """
    return await once(AppealView, lambda tx: appeals.lodge(tx, principal, credit_id, body))


@router.post(
    "/appeals/{appeal_id}/decision",
    responses=refusals(
        AlreadyDecided, DecisionDoesNotFit, DateOutOfOrder, PersonNeeded, SeparationOfDuties, UnfitMarks
    ),
)
async def decide_appeal(
    appeal_id: str,
    body: NewDecision,
    principal: Annotated[Principal, Requires("assessment.appeals:decide")],
    appeals: Service,
    once: Once,
) -> AppealView:
    """Uphold an appeal with the marks that change, or dismiss it with a reason.

    For coordinators, or a person of an institution with a duty in the unit's plan; never the assessor. An appeal never
    lowers a mark. The credit keeps the marks it had before in its history.
    """
    return await once(AppealView, lambda tx: appeals.decide(tx, principal, appeal_id, body))


@router.get("/appeals")
async def list_appeals(
    request: Request,
    response: Response,
    principal: Reader,
    appeals: Service,
    paging: Paged,
    state: Annotated[AppealState | None, Query()] = None,
) -> Page[AppealView]:
    """Appeals that the caller may see: a learner's own, an institution's by its duties, all for coordinators."""
    items = await appeals.page(principal, state, paging)
    return page_of(request, response, items, paging, lambda appeal: appeal.appeal_id)


@router.get("/appeals/{appeal_id}")
async def read_appeal(appeal_id: str, principal: Reader, appeals: Service) -> AppealView:
    """One appeal with its decision."""
    return await appeals.read(principal, appeal_id)
