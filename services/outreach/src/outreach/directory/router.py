"""The directory over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import ExpectedRevision, Once, Paged, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from outreach.directory.schemas import ClusterChange, ClusterView, Label, MergeRequest, NewCluster
from outreach.directory.service import AlreadyThere, CannotMerge, Clusters, WrongRegion

router = service_router("directory", "/outreach/v1/clusters")
Writer = Annotated[Principal, Requires("outreach.directory:write")]
Reader = Annotated[Principal, Requires("outreach.directory:read")]


@router.post("", status_code=201, responses=refusals(AlreadyThere, WrongRegion))
async def enter_cluster(
    body: NewCluster, etag: Tagged, once: Once, clusters: Annotated[Clusters, Provided(Clusters)], _: Writer
) -> ClusterView:
    """Enter an organisation by hand; one that is there already is refused with its id."""
    view = await once(ClusterView, lambda tx: clusters.enter(tx, body))
    etag.set(view.revision)
    return view


@router.get("")
async def list_clusters(
    request: Request,
    response: Response,
    paging: Paged,
    clusters: Annotated[Clusters, Provided(Clusters)],
    _: Reader,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="Only of this country")] = None,
    label: Annotated[Label | None, Query(description="Only with this label")] = None,
) -> Page[ClusterView]:
    """Entries of the directory, oldest first; merged ones are left out."""
    items = await clusters.page(country=country, label=label, after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.cluster_id)


@router.get("/{cluster_id}")
async def read_cluster(
    cluster_id: str, etag: Tagged, clusters: Annotated[Clusters, Provided(Clusters)], _: Reader
) -> ClusterView:
    """An entry, each field with its source. A merged one says into which."""
    view = await clusters.read(cluster_id)
    etag.set(view.revision)
    return view


@router.patch("/{cluster_id}", responses=refusals(WrongRegion))
async def correct_cluster(
    _: Writer,  # first: who has no token learns nothing about revisions
    cluster_id: str,
    body: ClusterChange,
    request: Request,
    etag: Tagged,
    expected: ExpectedRevision,
    clusters: Annotated[Clusters, Provided(Clusters)],
) -> ClusterView:
    """Correct fields; the former values stay beside them with their source."""
    outbox = request.app.state.platform.outbox
    view: ClusterView = await outbox.transaction(lambda tx: clusters.correct(tx, cluster_id, expected, body))
    etag.set(view.revision)
    return view


@router.post("/{cluster_id}/merge", responses=refusals(CannotMerge))
async def merge_clusters(
    cluster_id: str,
    body: MergeRequest,
    etag: Tagged,
    once: Once,
    clusters: Annotated[Clusters, Provided(Clusters)],
    _: Writer,
) -> ClusterView:
    """Take another entry over: it then points here, and its contacts, evidence and labels are found here."""
    view = await once(ClusterView, lambda tx: clusters.merge(tx, cluster_id, body))
    etag.set(view.revision)
    return view
