"""`/portal/applications/{client_id}/usage`: requests by day, what is left of today, and the log of requests."""

from __future__ import annotations

from typing import Annotated

from cme_kit.http import Provided
from fastapi import APIRouter, Query, Request, Response

from gateway.accounts.people import Person
from gateway.portal.rendering import PortalPages, PortalRoute
from gateway.portal.usage_service import ABOVE, BARS, SHOWN_REQUESTS, PortalUsage

router = APIRouter(prefix="/portal/applications/{client_id}/usage", include_in_schema=False, route_class=PortalRoute)
#: What the log can be narrowed to: the first digit of the status.
CLASSES = (2, 3, 4, 5)


@router.get("")
async def show(
    request: Request,
    person: Person,
    pages: Annotated[PortalPages, Provided(PortalPages)],
    usage: Annotated[PortalUsage, Provided(PortalUsage)],
    client_id: str,
    status: Annotated[int | None, Query(ge=2, le=5)] = None,
    before: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """The page."""
    used = await usage.of(person.account, client_id)
    found = await usage.requests(person.account, client_id, before, status)
    shown = found[:SHOWN_REQUESTS]
    return pages.of_application(
        request,
        person,
        used.client,
        "usage",
        part="usage",
        used=used,
        bars=BARS,
        above=ABOVE,
        requests=shown,
        earlier=shown[-1].record_id if len(found) > len(shown) else None,
        only=status,
        classes=CLASSES,
    )
