"""Touchpoints over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.problems import NotFound
from cme_kit.schemas import Page
from cme_kit.strict_json import UnsupportedMediaType
from fastapi import Request, Response

from outreach.imports.router import CSV_BODY, TooLarge, csv_body
from outreach.touchpoints.domain import TouchpointState
from outreach.touchpoints.schemas import NewTouchpoint, TouchpointImport, TouchpointView
from outreach.touchpoints.service import (
    AlreadyRecorded,
    NeverCounts,
    NothingToConfirm,
    OccursInFuture,
    SecondPerson,
    Touchpoints,
    UnreadableEvents,
)

router = service_router("touchpoints", "/outreach/v1/touchpoints")
Recorder = Annotated[Principal, Requires("outreach.touchpoints:write")]


@router.post("", status_code=201, responses=refusals(NotFound, AlreadyRecorded, NeverCounts, OccursInFuture))
async def record_touchpoint(
    body: NewTouchpoint, once: Once, touchpoints: Annotated[Touchpoints, Provided(Touchpoints)], principal: Recorder
) -> TouchpointView:
    """Record something that happened with a cluster. Taking part and commitment count once a second person confirms."""
    return await once(TouchpointView, lambda tx: touchpoints.record(tx, body, principal.subject))


@router.post(
    "/import",
    status_code=201,
    openapi_extra=CSV_BODY,
    responses=refusals(UnsupportedMediaType, TooLarge, UnreadableEvents),
)
async def import_touchpoints(
    request: Request,
    once: Once,
    touchpoints: Annotated[Touchpoints, Provided(Touchpoints)],
    principal: Recorder,
) -> TouchpointImport:
    """Import an event list: `event_id`, `type`, `org_id` (an external id of the cluster), `at`, `evidence`, `actor`.

    Each event counts once, however often it is listed. Opens, scanners and unknown organisations are no evidence.
    """
    raw = await csv_body(request)
    return await once(TouchpointImport, lambda tx: touchpoints.import_events(tx, raw, principal.subject))


@router.get("")
async def list_touchpoints(
    request: Request,
    response: Response,
    paging: Paged,
    touchpoints: Annotated[Touchpoints, Provided(Touchpoints)],
    _: Annotated[Principal, Requires("outreach.directory:read")],
    cluster_id: str | None = None,
    state: TouchpointState | None = None,
) -> Page[TouchpointView]:
    """Touchpoints, oldest first."""
    items = await touchpoints.page(cluster_id=cluster_id, state=state, after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.touchpoint_id)


@router.post("/{touchpoint_id}/confirmation", responses=refusals(NothingToConfirm, SecondPerson))
async def confirm_touchpoint(
    touchpoint_id: str,
    once: Once,
    touchpoints: Annotated[Touchpoints, Provided(Touchpoints)],
    principal: Annotated[Principal, Requires("outreach.touchpoints:confirm")],
) -> TouchpointView:
    """Confirm what another person recorded; from then on it counts."""
    return await once(TouchpointView, lambda tx: touchpoints.confirm(tx, touchpoint_id, principal.subject))
