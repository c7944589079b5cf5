"""Reviews over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, Provided, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Request, Response

from outreach.reviews.schemas import ReviewDecision, ReviewView
from outreach.reviews.service import AlreadyDecided, Reviews, ValueDoesNotFit

router = service_router("reviews", "/outreach/v1/reviews")
Writer = Annotated[Principal, Requires("outreach.directory:write")]


@router.get("")
async def list_reviews(
    request: Request,
    response: Response,
    paging: Paged,
    reviews: Annotated[Reviews, Provided(Reviews)],
    _: Writer,
    state: Literal["open", "decided"] | None = None,
) -> Page[ReviewView]:
    """Questions that imports raised, oldest first."""
    items = await reviews.page(state=state, after=paging.after, limit=paging.limit)
    return page_of(request, response, items, paging, lambda item: item.review_id)


@router.get("/{review_id}")
async def read_review(review_id: str, reviews: Annotated[Reviews, Provided(Reviews)], _: Writer) -> ReviewView:
    """One question."""
    return await reviews.read(review_id)


@router.post("/{review_id}/decision", responses=refusals(AlreadyDecided, ValueDoesNotFit))
async def decide_review(
    review_id: str,
    body: ReviewDecision,
    once: Once,
    reviews: Annotated[Reviews, Provided(Reviews)],
    principal: Writer,
) -> ReviewView:
    """Answer a question; the answer is carried out at once and what it was about is forgotten."""
    return await once(ReviewView, lambda tx: reviews.decide(tx, review_id, body, principal.subject))
