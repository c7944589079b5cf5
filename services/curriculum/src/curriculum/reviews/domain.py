"""The review round: experts and a reference group comment on learning outcomes and vote on one exact content."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from cme_kit.problems import FieldError
from pydantic import BaseModel, ConfigDict, Field

from curriculum.programmes.domain import Validation


class ReviewState(StrEnum):
    """An open round ends approved, rejected or withdrawn."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Role(StrEnum):
    """In which capacity somebody was invited."""

    EXPERT = "expert"
    REFERENCE_GROUP = "reference_group"


class Ballot(StrEnum):
    """What one can vote."""

    APPROVE = "approve"
    REJECT = "reject"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Resolution(_Frozen):
    """How a comment was answered."""

    text: str = Field(description="What was decided about it")
    resolved_by: str = Field(description="Who answered it")
    resolved_at: datetime = Field(description="UTC")


class Comment(_Frozen):
    """A remark on one learning outcome."""

    comment_id: str = Field(description="cmt_…")
    person_id: str = Field(description="per_… of the reviewer")
    role: Role = Field(description="expert or reference_group")
    outcome_id: str = Field(description="out_… it is about")
    text: str = Field(description="The remark")
    blocking: bool = Field(description="Whether nothing can be approved before it is resolved")
    created_at: datetime = Field(description="UTC")
    resolution: Resolution | None = Field(default=None, description="The answer, null while there is none")


class Vote(_Frozen):
    """A reviewer's vote with its statement."""

    person_id: str = Field(description="per_… of the reviewer")
    role: Role = Field(description="expert or reference_group")
    vote: Ballot = Field(description="approve or reject")
    statement: str = Field(description="Why")
    voted_at: datetime = Field(description="UTC")


class Review(_Frozen):
    """One round on one version."""

    review_id: str = Field(description="rev_…")
    programme_id: str = Field(description="prg_…")
    version: int = Field(description="The version under review")
    content_hash: str = Field(description="The content that is voted on")
    experts: list[str] = Field(description="per_… of the invited experts")
    reference_group: list[str] = Field(description="per_… of the invited members of the reference group")
    quorum: int = Field(description="Votes needed before the round can end")
    state: ReviewState = Field(description="open, approved, rejected or withdrawn")
    revision: int = Field(description="Counts every change")
    comments: list[Comment] = Field(default_factory=list, description="Remarks, oldest first")
    votes: list[Vote] = Field(default_factory=list, description="The vote of each who voted")
    opened_at: datetime = Field(description="UTC")
    closed_at: datetime | None = Field(default=None, description="UTC, null while open")
    withdrawal_reason: str | None = Field(default=None, description="Why it was taken back")


def role_in(review: Review, person_id: str) -> Role | None:
    """In which capacity a person was invited, or None."""
    if person_id in review.experts:
        return Role.EXPERT
    return Role.REFERENCE_GROUP if person_id in review.reference_group else None


def invitation_faults(
    experts: list[str], reference_group: list[str], quorum: int, authors: Collection[str]
) -> list[FieldError]:
    """What is wrong with an invitation: nobody judges twice or judges own work, and the quorum can be reached."""
    faults = []
    invited = [*experts, *reference_group]
    if len(set(invited)) != len(invited):
        faults.append(FieldError(field="body.experts", code="repeated", detail="Invite each person once."))
    if own := sorted(set(invited) & set(authors)):
        detail = f"{', '.join(own)} wrote the version or opens the round, and cannot judge it."
        faults.append(FieldError(field="body.experts", code="judges_own_work", detail=detail))
    if quorum > len(invited):
        detail = f"{len(invited)} are invited; the quorum cannot be {quorum}."
        faults.append(FieldError(field="body.quorum", code="out_of_reach", detail=detail))
    return faults


def unresolved(review: Review) -> int:
    """How many blocking comments have no answer."""
    return sum(1 for comment in review.comments if comment.blocking and comment.resolution is None)


def is_quorate(review: Review) -> bool:
    """Whether enough voted, at least one of each group among them."""
    roles = {vote.role for vote in review.votes}
    return len(review.votes) >= review.quorum and roles == set(Role)


def verdict(review: Review) -> ReviewState:
    """What the votes and comments make of a round: it stays open without a quorum, a majority or every answer."""
    if not is_quorate(review):
        return ReviewState.OPEN
    approvals = sum(1 for vote in review.votes if vote.vote is Ballot.APPROVE)
    if 2 * approvals < len(review.votes):
        return ReviewState.REJECTED
    if 2 * approvals > len(review.votes) and not unresolved(review):
        return ReviewState.APPROVED
    return ReviewState.OPEN


def with_vote(review: Review, vote: Vote) -> Review:
    """The round with a person's vote, which replaces that person's earlier one."""
    others = [given for given in review.votes if given.person_id != vote.person_id]
    return review.model_copy(update={"votes": [*others, vote]})


def with_resolution(review: Review, comment_id: str, resolution: Resolution) -> Review:
    """The round with a comment answered."""
    comments = [
        comment.model_copy(update={"resolution": resolution}) if comment.comment_id == comment_id else comment
        for comment in review.comments
    ]
    return review.model_copy(update={"comments": comments})


def without_words_of(review: Review, person_id: str) -> Review:
    """The round without what an erased person wrote; that the person voted, and how, still counts."""
    comments = [
        comment.model_copy(update={"text": ""}) if comment.person_id == person_id else comment
        for comment in review.comments
    ]
    votes = [
        vote.model_copy(update={"statement": ""}) if vote.person_id == person_id else vote for vote in review.votes
    ]
    return review.model_copy(update={"comments": comments, "votes": votes})


def validation_of(review: Review, now: datetime) -> Validation:
    """The counts of an approving round, to be kept with the version."""
    return Validation(
        review_id=review.review_id,
        content_hash=review.content_hash,
        validated_at=now,
        experts=sum(1 for vote in review.votes if vote.role is Role.EXPERT),
        reference_group=sum(1 for vote in review.votes if vote.role is Role.REFERENCE_GROUP),
        in_favour=sum(1 for vote in review.votes if vote.vote is Ballot.APPROVE),
        against=sum(1 for vote in review.votes if vote.vote is Ballot.REJECT),
    )
