"""Labels over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import CalendarDay, Page
from fastapi import Query, Request, Response

from outreach.labels.schemas import LabelList, LabelView, NewLabel
from outreach.labels.service import AlreadyRecorded, AwardedInFuture, Labels, NothingToRenew

router = service_router("labels", "/outreach/v1")
Reader = Annotated[Principal, Requires("outreach.directory:read")]


@router.post(
    "/clusters/{cluster_id}/labels",
    status_code=201,
    responses=refusals(AlreadyRecorded, AwardedInFuture, NothingToRenew),
)
async def record_label(
    cluster_id: str,
    body: NewLabel,
    once: Once,
    labels: Annotated[Labels, Provided(Labels)],
    principal: Annotated[Principal, Requires("outreach.labels:write")],
) -> LabelView:
    """Record a label that a cluster was awarded; validity and renewal window follow from level and kind."""
    return await once(LabelView, lambda tx: labels.award(tx, cluster_id, body, principal.subject))


@router.get("/clusters/{cluster_id}/labels")
async def list_cluster_labels(cluster_id: str, labels: Annotated[Labels, Provided(Labels)], _: Reader) -> LabelList:
    """A cluster's labels, oldest award first."""
    return await labels.of_cluster(cluster_id)


@router.get("/labels")
async def list_labels(
    request: Request,
    response: Response,
    paging: Paged,
    labels: Annotated[Labels, Provided(Labels)],
    _: Reader,
    expiring_before: Annotated[CalendarDay | None, Query(description="Only those that end before this day")] = None,
) -> Page[LabelView]:
    """Labels, those that end before a day when given: whom to remind of the renewal."""
    items = await labels.page(expiring_before=expiring_before, after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.label_id)
