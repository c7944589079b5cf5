"""HTTP of the review round."""

from collections.abc import Awaitable
from typing import Annotated

from cme_kit.auth import Principal, Requires
from cme_kit.http import Once, Paged, PreconditionFailed, Provided, Tagged, page_of, service_router
from cme_kit.openapi_answers import refusals
from cme_kit.schemas import Page
from fastapi import Query, Request, Response

from curriculum.programmes.router import VersionNumber
from curriculum.reviews.domain import Comment, Review, ReviewState
from curriculum.reviews.schemas import (
    NewComment,
    NewResolution,
    NewReview,
    NewVote,
    ReviewSummary,
    ReviewView,
    ReviewWithdrawal,
    review_summary,
    review_view,
)
from curriculum.reviews.service import (
    AlreadyResolved,
    NotADraft,
    ReviewClosed,
    Reviews,
    TooManyComments,
    UnfitReview,
    UnknownOutcome,
)

router = service_router("reviews", "/curriculum/v1")
Service = Annotated[Reviews, Provided(Reviews)]
Runner = Annotated[Principal, Requires("curriculum.reviews:write")]
Reviewer = Annotated[Principal, Requires("curriculum.reviews:comment")]
Reader = Annotated[Principal, Requires("curriculum.reviews:comment", "curriculum.reviews:write")]


@router.post(
    "/programmes/{programme_id}/versions/{version}/review",
    status_code=201,
    responses=refusals(PreconditionFailed, NotADraft, UnfitReview),
)
async def open_review(
    programme_id: str, version: VersionNumber, body: NewReview, once: Once, service: Service, principal: Runner
) -> ReviewView:
    """Open a review round on a draft: invite experts and a reference group, and say how many votes it takes.

    The votes are on exactly this content (`content_hash`); from now on the version cannot be edited.
    """
    return await once(ReviewView, lambda tx: _viewed(service.open(tx, programme_id, version, body, principal)))


@router.get("/reviews")
async def list_reviews(
    request: Request,
    response: Response,
    paging: Paged,
    service: Service,
    principal: Reader,
    state: Annotated[ReviewState | None, Query(description="Only rounds in this state")] = None,
) -> Page[ReviewSummary]:
    """The rounds you are invited to, oldest first; every round for those who run them."""
    found = await service.page(principal, paging.after, paging.limit + 1, state)
    items = [review_summary(review) for review in found]
    return page_of(request, response, items, paging, lambda review: review.review_id)


@router.get("/reviews/{review_id}")
async def get_review(review_id: str, etag: Tagged, service: Service, principal: Reader) -> ReviewView:
    """One round with its comments, votes and tally, for those invited and those who run rounds."""
    review = await service.get(review_id, principal)
    etag.set(review.revision)
    return review_view(review)


@router.post(
    "/reviews/{review_id}/comments",
    status_code=201,
    responses=refusals(PreconditionFailed, ReviewClosed, TooManyComments, UnknownOutcome),
)
async def add_comment(review_id: str, body: NewComment, once: Once, service: Service, principal: Reviewer) -> Comment:
    """Comment on a learning outcome; while a blocking comment has no answer, nothing can be approved."""
    return await once(Comment, lambda tx: service.comment(tx, review_id, body, principal))


@router.post(
    "/reviews/{review_id}/comments/{comment_id}/resolution",
    responses=refusals(PreconditionFailed, AlreadyResolved, ReviewClosed),
)
async def resolve_comment(
    review_id: str, comment_id: str, body: NewResolution, once: Once, service: Service, principal: Runner
) -> ReviewView:
    """Answer a comment, once. When the votes are there already, the last answer ends the round."""
    return await once(ReviewView, lambda tx: _viewed(service.resolve(tx, review_id, comment_id, body, principal)))


@router.post("/reviews/{review_id}/votes", responses=refusals(PreconditionFailed, ReviewClosed))
async def vote(review_id: str, body: NewVote, once: Once, service: Service, principal: Reviewer) -> ReviewView:
    """Vote, with a statement; you can vote anew while the round is open.

    The round ends as soon as the quorum is reached with at least one expert and one member of the reference group:
    approved by a majority when no blocking comment waits for its answer, rejected by a majority (the version is then
    a draft again).
    """
    return await once(ReviewView, lambda tx: _viewed(service.vote(tx, review_id, body, principal)))


@router.post("/reviews/{review_id}/withdrawal", responses=refusals(PreconditionFailed, ReviewClosed))
async def withdraw_review(
    review_id: str, body: ReviewWithdrawal, once: Once, service: Service, _: Runner
) -> ReviewView:
    """Take a round back: the version is a draft again and can be edited. Not after its publication."""
    return await once(ReviewView, lambda tx: _viewed(service.withdraw(tx, review_id, body.reason)))


async def _viewed(review: Awaitable[Review]) -> ReviewView:
    return review_view(await review)
