"""Use cases of the review round."""

from __future__ import annotations

from cme_contracts.enrolment import PersonErased
from cme_kit.auth import Principal
from cme_kit.clock import Clock
from cme_kit.http import stale
from cme_kit.ids import new_id
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from curriculum.programmes.domain import Validation, Version, VersionState
from curriculum.programmes.repository import VersionRepository
from curriculum.reviews.domain import (
    Comment,
    Resolution,
    Review,
    ReviewState,
    Role,
    Vote,
    invitation_faults,
    role_in,
    validation_of,
    verdict,
    with_resolution,
    with_vote,
    without_words_of,
)
from curriculum.reviews.repository import ReviewRepository
from curriculum.reviews.schemas import NewComment, NewResolution, NewReview, NewVote

WRITE = "curriculum.reviews:write"
#: A round is one document; this keeps it far below what a document may hold.
MOST_COMMENTS = 500


class UnfitReview(Unprocessable):
    """The invitation breaks a rule."""

    code = "unfit_review"


class NotADraft(Conflict):
    """Only a draft can be put to a review."""

    code = "not_a_draft"


class ReviewClosed(Conflict):
    """The round is over."""

    code = "review_closed"


class AlreadyResolved(Conflict):
    """The comment has its answer."""

    code = "already_resolved"


class UnknownOutcome(Unprocessable):
    """The outcome is not of the version under review."""

    code = "unknown_outcome"


class TooManyComments(Conflict):
    """The round holds as many comments as it can."""

    code = "too_many_comments"


class Reviews:
    """Review rounds."""

    def __init__(self, reviews: ReviewRepository, versions: VersionRepository, clock: Clock) -> None:
        self._reviews = reviews
        self._versions = versions
        self._clock = clock

    async def open(self, tx: Transaction, programme_id: str, number: int, new: NewReview, opener: Principal) -> Review:
        """Invite people to judge a draft, which can no longer be edited. Raises NotFound, NotADraft, UnfitReview."""
        version = await self._version(tx, programme_id, number)
        if version.state is not VersionState.DRAFT:
            raise NotADraft(f"This version is {version.state.value}; only a draft can be put to a review.")
        authors = {version.created_by, opener.subject}
        if faults := invitation_faults(new.experts, new.reference_group, new.quorum, authors):
            raise UnfitReview("No round was opened; errors lists each field to change.", errors=faults)
        review = Review(
            review_id=new_id("rev"),
            programme_id=programme_id,
            version=number,
            content_hash=version.content_hash,
            experts=new.experts,
            reference_group=new.reference_group,
            quorum=new.quorum,
            state=ReviewState.OPEN,
            revision=1,
            opened_at=self._clock.now(),
        )
        await self._reviews.add(review, tx.session)
        await self._move(tx, version, VersionState.IN_REVIEW)
        return review

    async def comment(self, tx: Transaction, review_id: str, new: NewComment, reviewer: Principal) -> Comment:
        """Remark on a learning outcome. Raises NotFound, ReviewClosed, UnknownOutcome and TooManyComments."""
        review, role = await self._open_round_of(tx, review_id, reviewer)
        version = await self._version(tx, review.programme_id, review.version)
        if not version.has_outcome(new.outcome_id):
            raise UnknownOutcome("This version has no such learning outcome; comment on one of its own.")
        if len(review.comments) >= MOST_COMMENTS:
            raise TooManyComments(f"A round holds {MOST_COMMENTS} comments. Withdraw it and open another one.")
        comment = Comment(
            comment_id=new_id("cmt"),
            person_id=reviewer.subject,
            role=role,
            **new.model_dump(),
            created_at=self._clock.now(),
        )
        await self._save(tx, review.model_copy(update={"comments": [*review.comments, comment]}))
        return comment

    async def resolve(
        self, tx: Transaction, review_id: str, comment_id: str, new: NewResolution, resolver: Principal
    ) -> Review:
        """Answer a comment; the last answer can end the round. Raises NotFound, ReviewClosed, AlreadyResolved."""
        review = await self._find(tx, review_id)
        comment = next((comment for comment in review.comments if comment.comment_id == comment_id), None)
        if comment is None:
            raise NotFound("comment")
        _refuse_closed(review)
        if comment.resolution is not None:
            raise AlreadyResolved("This comment has its answer already.")
        resolution = Resolution(text=new.text, resolved_by=resolver.subject, resolved_at=self._clock.now())
        return await self._decide(tx, with_resolution(review, comment_id, resolution))

    async def vote(self, tx: Transaction, review_id: str, new: NewVote, reviewer: Principal) -> Review:
        """Vote, or vote anew while the round is open; a vote can end the round. Raises NotFound and ReviewClosed."""
        review, role = await self._open_round_of(tx, review_id, reviewer)
        vote = Vote(person_id=reviewer.subject, role=role, **new.model_dump(), voted_at=self._clock.now())
        return await self._decide(tx, with_vote(review, vote))

    async def withdraw(self, tx: Transaction, review_id: str, reason: str) -> Review:
        """Take a round back, so that the version can be edited; also after its approval, before publication.

        Raises NotFound and ReviewClosed.
        """
        review = await self._find(tx, review_id)
        version = await self._version(tx, review.programme_id, review.version)
        approving = version.validation is not None and version.validation.review_id == review_id
        unpublished = version.state is VersionState.VALIDATED and approving
        if review.state is not ReviewState.OPEN and not unpublished:
            raise ReviewClosed(f"This round is {review.state.value}; it can no longer be taken back.")
        await self._move(tx, version, VersionState.DRAFT)
        changes = {"state": ReviewState.WITHDRAWN, "withdrawal_reason": reason, "closed_at": self._clock.now()}
        return await self._save(tx, review.model_copy(update=changes))

    async def get(self, review_id: str, reader: Principal) -> Review:
        """One round, for those invited and those who run rounds. Raises NotFound."""
        review = await self._reviews.find(review_id)
        if review is None or not (reader.may(WRITE) or role_in(review, reader.subject)):
            raise NotFound("review")
        return review

    async def page(self, reader: Principal, after: str | None, limit: int, state: ReviewState | None) -> list[Review]:
        """Rounds after a cursor, oldest first: every one for those who run rounds, else the reader's own."""
        invited = None if reader.may(WRITE) else reader.subject
        return await self._reviews.page(after, limit, invited=invited, state=state)

    async def may_read(self, reader: Principal, version: Version) -> bool:
        """Whether somebody was invited to judge a version."""
        return await self._reviews.invites(reader.subject, version.programme_id, version.version)

    async def forget(self, tx: Transaction, event: PersonErased) -> None:
        """Delete what an erased person wrote in review rounds; the votes stay counted."""
        for review in await self._reviews.of_person(event.person_id, tx.session):
            await self._save(tx, without_words_of(review, event.person_id))

    async def _find(self, tx: Transaction, review_id: str) -> Review:
        review = await self._reviews.find(review_id, tx.session)
        if review is None:
            raise NotFound("review")
        return review

    async def _open_round_of(self, tx: Transaction, review_id: str, reviewer: Principal) -> tuple[Review, Role]:
        review = await self._find(tx, review_id)
        role = role_in(review, reviewer.subject)
        if role is None:
            raise NotFound("review")
        _refuse_closed(review)
        return review, role

    async def _version(self, tx: Transaction, programme_id: str, number: int) -> Version:
        version = await self._versions.find(programme_id, number, tx.session)
        if version is None:
            raise NotFound("version of a programme")
        return version

    async def _decide(self, tx: Transaction, review: Review) -> Review:
        state = verdict(review)
        if state is ReviewState.OPEN:
            return await self._save(tx, review)
        version = await self._version(tx, review.programme_id, review.version)
        now = self._clock.now()
        if state is ReviewState.APPROVED:
            await self._move(tx, version, VersionState.VALIDATED, validation_of(review, now))
        else:
            await self._move(tx, version, VersionState.DRAFT)
        return await self._save(tx, review.model_copy(update={"state": state, "closed_at": now}))

    async def _save(self, tx: Transaction, review: Review) -> Review:
        following = review.model_copy(update={"revision": review.revision + 1})
        if not await self._reviews.replace(following, tx.session):
            raise stale()
        return following

    async def _move(
        self, tx: Transaction, version: Version, state: VersionState, validation: Validation | None = None
    ) -> None:
        following = version.model_copy(
            update={
                "state": state,
                "validation": validation,
                "revision": version.revision + 1,
                "updated_at": self._clock.now(),
            }
        )
        if not await self._versions.replace(following, tx.session):
            raise stale()


def _refuse_closed(review: Review) -> None:
    if review.state is not ReviewState.OPEN:
        raise ReviewClosed(f"This round is {review.state.value}; nothing can be added to it.")
