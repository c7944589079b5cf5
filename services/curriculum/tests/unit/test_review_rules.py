"""How a review round comes to its end."""

from datetime import UTC, datetime

import pytest
from curriculum.reviews.domain import (
    Ballot,
    Comment,
    Resolution,
    Review,
    ReviewState,
    Role,
    Vote,
    invitation_faults,
    is_quorate,
    role_in,
    validation_of,
    verdict,
    with_resolution,
    with_vote,
    without_words_of,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EXPERTS = ["e1", "e2", "e3"]
GROUP = ["g1", "g2", "g3"]


def voted(votes: str, quorum: int = 3, *, blocking: bool = False) -> Review:
    """A round with votes written like `e1+ g1-`."""
    review = Review(
        review_id="rev_1",
        programme_id="prg_1",
        version=1,
        content_hash="h",
        experts=EXPERTS,
        reference_group=GROUP,
        quorum=quorum,
        state=ReviewState.OPEN,
        revision=1,
        opened_at=NOW,
    )
    if blocking:
        comment = Comment(
            comment_id="c1",
            person_id="e1",
            role=Role.EXPERT,
            outcome_id="out_1",
            text="Too vague",
            blocking=True,
            created_at=NOW,
        )
        review = review.model_copy(update={"comments": [comment]})
    for written in votes.split():
        person, ballot = written[:-1], Ballot.APPROVE if written.endswith("+") else Ballot.REJECT
        role = role_in(review, person)
        assert role is not None
        review = with_vote(review, Vote(person_id=person, role=role, vote=ballot, statement="So", voted_at=NOW))
    return review


@pytest.mark.parametrize(
    ("votes", "quorum", "state"),
    [
        ("", 2, "open"),
        ("e1+ g1+", 3, "open"),
        ("e1+ e2+ e3+", 3, "open"),
        ("g1+ g2+ g3+", 3, "open"),
        ("e1+ e2+ g1+", 3, "approved"),
        ("e1+ e2+ g1-", 3, "approved"),
        ("e1- e2+ g1-", 3, "rejected"),
        ("e1+ g1-", 2, "open"),
        ("e1+ g1- g2+", 2, "approved"),
        ("e1- g1- g2-", 4, "open"),
    ],
)
def test_votes_end_a_round_with_a_quorum_of_both_groups_and_a_majority(votes: str, quorum: int, state: str) -> None:
    assert verdict(voted(votes, quorum)) == state


def test_an_unanswered_blocking_comment_holds_an_approval_but_not_a_rejection() -> None:
    held = voted("e1+ e2+ g1+", blocking=True)
    answer = Resolution(text="Rewritten", resolved_by="per_c", resolved_at=NOW)

    assert verdict(held) is ReviewState.OPEN
    assert verdict(with_resolution(held, "c1", answer)) is ReviewState.APPROVED
    assert verdict(voted("e1- e2- g1+", blocking=True)) is ReviewState.REJECTED


def test_a_second_vote_replaces_the_first() -> None:
    review = voted("e1+ g1+ e1-")

    assert len(review.votes) == 2
    assert not is_quorate(review)
    assert {vote.person_id: vote.vote.value for vote in review.votes} == {"e1": "reject", "g1": "approve"}


def test_the_validation_counts_the_votes_of_each_group() -> None:
    validation = validation_of(voted("e1+ e2+ g1-"), NOW)

    counts = (validation.experts, validation.reference_group, validation.in_favour, validation.against)
    assert counts == (2, 1, 2, 1)


def test_nobody_judges_twice_or_own_work_and_the_quorum_can_be_reached() -> None:
    faults = invitation_faults(["a", "b"], ["b", "c"], 9, {"c"})

    assert [fault.code for fault in faults] == ["repeated", "judges_own_work", "out_of_reach"]
    assert invitation_faults(["a"], ["b"], 2, {"c"}) == []


def test_an_erased_person_leaves_votes_without_words() -> None:
    review = without_words_of(voted("e1+ g1+", blocking=True), "e1")

    assert [vote.statement for vote in review.votes] == ["", "So"]
    assert review.comments[0].text == ""
    assert verdict(voted("e1+ e2+ g1+")) is verdict(without_words_of(voted("e1+ e2+ g1+"), "e1"))
