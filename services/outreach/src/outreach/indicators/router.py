"""Indicators over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Paged, Provided, page_of, service_router
from cme_kit.schemas import Page
from fastapi import Request, Response

from outreach.indicators.schemas import AwareCluster, ClustersAware
from outreach.indicators.service import Indicators

router = service_router("indicators", "/outreach/v1/indicators")
Reader = Annotated[Principal, Requires("outreach.indicators:read")]


@router.get("/clusters-aware")
async def clusters_aware(indicators: Annotated[Indicators, Provided(Indicators)], _: Reader) -> ClustersAware:
    """How many clusters the programme made aware, each organisation counted once."""
    return await indicators.clusters_aware()


@router.get("/clusters-aware/evidence")
async def clusters_aware_evidence(
    request: Request,
    response: Response,
    paging: Paged,
    indicators: Annotated[Indicators, Provided(Indicators)],
    _: Reader,
) -> Page[AwareCluster]:
    """Every organisation that counts, with the touchpoints it counts by."""
    items = await indicators.evidence(paging.after, paging.limit)
    return page_of(request, response, items, paging, lambda item: item.cluster_id)
