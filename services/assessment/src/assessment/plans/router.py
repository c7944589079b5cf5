"""Plans over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ExpectedRevision, Paged, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.outbox import Outbox
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from assessment.plans.domain import DutiesNotSeparated, UnsoundRubric
from assessment.plans.schemas import PlanChange, PlanView
from assessment.plans.service import Plans, UnknownOrganisation

router = service_router("plans", "/assessment/v1")
Service = Annotated[Plans, Provided(Plans)]
Reader = Annotated[Principal, Requires("assessment.transcripts:read", "assessment.plans:write")]


@router.get("/plans")
async def list_plans(
    request: Request,
    response: Response,
    _: Reader,
    plans: Service,
    paging: Paged,
    programme_id: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[int | None, Query(ge=1, le=1_000_000, description="Only of this version of programmes")] = None,
) -> Page[PlanView]:
    """How units are assessed: the plans of a programme version, in the order of its modules."""
    items = await plans.page(programme_id, version, paging)
    return page_of(request, response, items, paging, lambda plan: plan.plan_id)


@router.get("/plans/{plan_id}")
async def read_plan(plan_id: str, etag: Tagged, _: Reader, plans: Service) -> PlanView:
    """One plan with its outcomes and rubric."""
    plan = await plans.read(plan_id)
    etag.set(plan.revision)
    return plan


@router.put("/plans/{plan_id}", responses=refusals(DutiesNotSeparated, UnsoundRubric, UnknownOrganisation))
async def change_plan(
    _: Annotated[Principal, Requires("assessment.plans:write")],
    plan_id: str,
    body: PlanChange,
    etag: Tagged,
    revision: ExpectedRevision,
    plans: Service,
    outbox: Annotated[Outbox, Provided(Outbox)],
) -> PlanView:
    """Decide method, rubric, due day, and which institutions assess, validate and recognise.

    Credits that are already assessed keep the rubric they were assessed by; the duties hold for the next step.
    """
    plan = await outbox.transaction(lambda tx: plans.change(tx, plan_id, revision, body))
    etag.set(plan.revision)
    return plan
