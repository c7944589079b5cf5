"""Bodies of the review endpoints."""

from typing import Annotated

from cme_kit.schemas import LongText, Schema, example
from pydantic import BaseModel, Field, StringConstraints

from curriculum.reviews.domain import (
    Ballot,
    Review,
    ReviewState,
    is_quorate,
    unresolved,
)

PersonId = Annotated[str, StringConstraints(pattern=r"^per_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
Invited = Annotated[list[PersonId], Field(min_length=1, max_length=100)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[!-~]+$")]


class NewReview(Schema):
    """Who is asked to judge a version."""

    model_config = example(
        experts=["per_01k8z4m7qhe5tb3v9w2x6y0n1c"], reference_group=["per_01k8z4m7qhe5tb3v9w2x6y0n1d"], quorum=2
    )

    experts: Invited = Field(description="per_… of the experts, at least one")
    reference_group: Invited = Field(description="per_… of the members of the reference group, at least one")
    quorum: int = Field(strict=True, ge=2, le=200, description="Votes needed, at least one of each group among them")


class NewComment(Schema):
    """A remark on a learning outcome."""

    model_config = example(
        outcome_id="out_01k8z4m7qhe5tb3v9w2x6y0n1c",
        text="Say how trust shows: what does the learner do?",
        blocking=True,
    )

    outcome_id: Reference = Field(description="out_… of the version under review")
    text: LongText = Field(description="The remark")
    blocking: bool = Field(
        default=False, strict=True, description="Whether nothing can be approved before it is resolved"
    )


class NewResolution(Schema):
    """The answer to a comment."""

    model_config = example(text="The statement now names the workshop.")

    text: LongText = Field(description="What was decided about it")


class NewVote(Schema):
    """A vote."""

    model_config = example(vote="approve", statement="Fits what clusters ask for.")

    vote: Ballot = Field(description="approve or reject")
    statement: LongText = Field(description="Why")


class ReviewWithdrawal(Schema):
    """Why a round is taken back."""

    model_config = example(reason="A unit is missing; a new round follows.")

    reason: LongText = Field(description="For those who were invited")


class Tally(BaseModel):
    """How the round stands."""

    votes: int = Field(description="Votes given")
    quorum: int = Field(description="Votes needed")
    in_favour: int = Field(description="Votes to approve")
    against: int = Field(description="Votes to reject")
    quorate: bool = Field(description="Whether enough voted, at least one of each group among them")
    unresolved_blocking: int = Field(description="Blocking comments without an answer")


class ReviewView(Review):
    """A review round."""

    tally: Tally = Field(description="How it stands")


class ReviewSummary(BaseModel):
    """A review round in a list."""

    review_id: str = Field(description="rev_…")
    programme_id: str = Field(description="prg_…")
    version: int = Field(description="The version under review")
    state: ReviewState = Field(description="open, approved, rejected or withdrawn")
    tally: Tally = Field(description="How it stands")


def tally_of(review: Review) -> Tally:
    """Count a round."""
    in_favour = sum(1 for vote in review.votes if vote.vote is Ballot.APPROVE)
    return Tally(
        votes=len(review.votes),
        quorum=review.quorum,
        in_favour=in_favour,
        against=len(review.votes) - in_favour,
        quorate=is_quorate(review),
        unresolved_blocking=unresolved(review),
    )


def review_view(review: Review) -> ReviewView:
    """A round as the API shows it."""
    return ReviewView(**review.model_dump(), tally=tally_of(review))


def review_summary(review: Review) -> ReviewSummary:
    """A round as a list shows it."""
    return ReviewSummary(
        review_id=review.review_id,
        programme_id=review.programme_id,
        version=review.version,
        state=review.state,
        tally=tally_of(review),
    )
