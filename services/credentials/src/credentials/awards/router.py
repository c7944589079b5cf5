"""Awards over HTTP."""

from __future__ import annotations

from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.outbox import Transaction
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from credentials.achievements.domain import Kind
from credentials.awards.schemas import AwardView, ReissueRequest, RevocationRequest, award_view
from credentials.awards.service import Awards, NotIssued, NotRevoked
from credentials.keys.service import Issuer

router = service_router("awards", "/credentials/v1")
Service = Annotated[Awards, Provided(Awards)]
TheIssuer = Annotated[Issuer, Provided(Issuer)]
Reader = Annotated[Principal, Requires("credentials.awards:read")]
Registrar = Annotated[Principal, Requires("credentials.awards:revoke")]
Filter = Annotated[str | None, Query(max_length=100)]


@router.get("/awards", summary="List awards")
async def list_awards(
    request: Request,
    response: Response,
    service: Service,
    issuer: TheIssuer,
    principal: Reader,
    paging: Paged,
    person_id: Filter = None,
    enrolment_id: Filter = None,
    kind: Kind | None = None,
) -> Page[AwardView]:
    """A person sees their own awards; staff and systems see all. Oldest first."""
    wanted = {"person_id": person_id, "enrolment_id": enrolment_id, "kind": kind.value if kind else None}
    filters = {name: value for name, value in wanted.items() if value is not None}
    awards = await service.page(principal, filters, paging.after, paging.limit + 1)
    views = [award_view(issuer.public_url, award) for award in awards]
    return page_of(request, response, views, paging, lambda view: view.award_id)


@router.get("/awards/{award_id}", summary="Read an award")
async def read_award(award_id: str, service: Service, issuer: TheIssuer, principal: Reader) -> AwardView:
    """One award: one's own, or any for staff and systems."""
    return award_view(issuer.public_url, await service.find(award_id, principal))


@router.post(
    "/awards/{award_id}/revocation", summary="Revoke a credential", status_code=201, responses=refusals(NotIssued)
)
async def revoke(
    award_id: str, body: RevocationRequest, service: Service, issuer: TheIssuer, once: Once, _: Registrar
) -> AwardView:
    """Revoke the issued credential for ever. The status list says so from the moment this is answered."""

    async def work(tx: Transaction) -> AwardView:
        return award_view(issuer.public_url, await service.revoke(tx, award_id, body.reason))

    return await once(AwardView, work)


@router.post(
    "/awards/{award_id}/reissue", summary="Issue a revoked award again", status_code=201, responses=refusals(NotRevoked)
)
async def reissue(
    award_id: str, body: ReissueRequest, service: Service, issuer: TheIssuer, once: Once, _: Registrar
) -> AwardView:
    """Begin the next edition. The answer is pending with a new credential id; it is issued a moment later."""

    async def work(tx: Transaction) -> AwardView:
        return award_view(issuer.public_url, await service.reissue(tx, award_id, body.reason))

    return await once(AwardView, work)
