"""The review round."""

import asyncio
from typing import Any

import pytest
from cme_contracts.enrolment import PersonErased
from cme_kit.testing import Bus, eventually, person_id


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_round_with_a_blocking_comment_ends_when_it_is_answered(desk: Any) -> None:
    draft = await desk.draft()
    review = await desk.review(draft)
    outcome_id = draft["units"][0]["outcomes"][0]["outcome_id"]
    path = f"/reviews/{review['review_id']}"
    expert = desk.reviewer(desk.experts[0])

    comment = await desk.done(
        f"{path}/comments", {"outcome_id": outcome_id, "text": "Not assessable", "blocking": True}, expert
    )
    for person in (*desk.experts, desk.reference_group[0]):
        held = (await desk.vote(review, person)).json()
    resolved = await desk.done(f"{path}/comments/{comment['comment_id']}/resolution", {"text": "Rewritten"})

    assert (held["state"], held["tally"]["quorate"], held["tally"]["unresolved_blocking"]) == ("open", True, 1)
    assert (resolved["state"], resolved["comments"][0]["resolution"]["text"]) == ("approved", "Rewritten")
    version = (await desk.get(desk.path(draft), desk.coordinator)).json()
    assert (version["state"], version["validation"]["review_id"]) == ("validated", review["review_id"])
    assert version["content_hash"] == review["content_hash"]


async def test_a_rejected_version_is_a_draft_again_and_can_be_reviewed_anew(desk: Any) -> None:
    draft = await desk.draft()
    review = await desk.review(draft)
    for person in (*desk.experts, desk.reference_group[0]):
        last = await desk.vote(review, person, "reject")

    late = await desk.vote(review, desk.reference_group[1])
    edited = await desk.put(desk.path(draft), await desk.programme_body(title={"en": "Better"}), 3)
    await desk.approved(edited.json())

    assert last.json()["state"] == "rejected"
    assert (late.status_code, late.json()["code"]) == (409, "review_closed")
    assert edited.status_code == 200
    answer = await desk.post(f"{desk.path(draft)}/publication", {})
    assert answer.json()["title"] == {"en": "Better"}


async def test_a_vote_can_be_changed_while_the_round_is_open(desk: Any) -> None:
    review = await desk.review(await desk.draft())

    await desk.vote(review, desk.experts[0], "reject")
    changed = (await desk.vote(review, desk.experts[0])).json()

    assert [vote["vote"] for vote in changed["votes"]] == ["approve"]


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_votes_at_the_same_moment_all_count(desk: Any) -> None:
    draft = await desk.draft()
    review = await desk.review(draft, quorum=4)

    await asyncio.gather(*(desk.vote(review, person) for person in (*desk.experts, *desk.reference_group)))

    after = (await desk.get(f"/reviews/{review['review_id']}", desk.coordinator)).json()
    assert (after["state"], after["tally"]["votes"]) == ("approved", 4)
    assert (await desk.get(desk.path(draft), desk.coordinator)).json()["state"] == "validated"


async def test_a_version_under_review_cannot_be_edited_or_put_to_a_second_round(desk: Any) -> None:
    draft = await desk.draft()
    await desk.review(draft)
    body = {"experts": desk.experts, "reference_group": desk.reference_group, "quorum": 2}

    edited = await desk.put(desk.path(draft), await desk.programme_body(), 2)
    second = await desk.post(f"{desk.path(draft)}/review", body)

    assert (edited.status_code, edited.json()["code"]) == (409, "not_a_draft")
    assert (second.status_code, second.json()["code"]) == (409, "not_a_draft")


async def test_a_round_can_be_taken_back_until_publication(desk: Any) -> None:
    draft = await desk.draft()
    first = await desk.review(draft)
    withdrawn = await desk.done(f"/reviews/{first['review_id']}/withdrawal", {"reason": "A typing error"})
    second = await desk.approved(draft)
    path = f"/reviews/{second['review_id']}/withdrawal"
    await desk.done(path, {"reason": "One more thing"})
    unvalidated = await desk.post(f"{desk.path(draft)}/publication", {})
    await desk.approved(draft)
    await desk.done(f"{desk.path(draft)}/publication")
    late = await desk.post(path, {"reason": "Too late"})

    assert (withdrawn["state"], withdrawn["withdrawal_reason"]) == ("withdrawn", "A typing error")
    assert unvalidated.json()["code"] == "not_validated"
    assert (late.status_code, late.json()["code"]) == (409, "review_closed")


async def test_an_invitation_that_cannot_work_is_refused(desk: Any) -> None:
    draft = await desk.draft()
    expert, member = person_id(), person_id()
    cases: list[tuple[list[str], list[str], int, str]] = [
        ([], [member], 2, "invalid_request"),
        ([expert], ["nobody"], 2, "invalid_request"),
        ([expert], [member], 1, "invalid_request"),
        ([expert], [expert], 2, "unfit_review"),
        ([expert], [member], 5, "unfit_review"),
        ([desk.coordinator_id], [member], 2, "unfit_review"),
    ]
    for experts, group, quorum, code in cases:
        body = {"experts": experts, "reference_group": group, "quorum": quorum}

        answer = await desk.post(f"{desk.path(draft)}/review", body)

        assert (answer.status_code, answer.json()["code"]) == (422, code), body
    assert (await desk.get(desk.path(draft), desk.coordinator)).json()["state"] == "draft"


async def test_only_those_invited_see_a_round_its_version_and_comment_or_vote(desk: Any) -> None:
    draft = await desk.draft()
    review = await desk.review(draft)
    stranger, invited = desk.reviewer(person_id()), desk.reviewer(desk.experts[0])
    path = f"/reviews/{review['review_id']}"
    comment = {"outcome_id": draft["units"][0]["outcomes"][0]["outcome_id"], "text": "Good"}

    refused = [
        await desk.get(path, stranger),
        await desk.get(desk.path(draft), stranger),
        await desk.post(f"{path}/comments", comment, stranger),
        await desk.post(f"{path}/votes", {"vote": "approve", "statement": "Yes"}, stranger),
    ]

    assert {answer.status_code for answer in refused} == {404}
    assert (await desk.get(path, invited)).json()["review_id"] == review["review_id"]
    assert (await desk.get(desk.path(draft), invited)).json()["content_hash"] == review["content_hash"]
    assert len((await desk.get("/reviews", invited)).json()["items"]) == 1
    assert (await desk.get("/reviews", stranger)).json()["items"] == []
    assert len((await desk.get("/reviews?state=open", desk.coordinator)).json()["items"]) == 1
    assert (await desk.get("/reviews?state=approved", desk.coordinator)).json()["items"] == []


async def test_a_comment_belongs_to_an_outcome_and_is_answered_once(desk: Any) -> None:
    draft = await desk.draft()
    review = await desk.review(draft)
    path, expert = f"/reviews/{review['review_id']}", desk.reviewer(desk.experts[0])
    outcome_id = draft["units"][0]["outcomes"][0]["outcome_id"]

    foreign = await desk.post(f"{path}/comments", {"outcome_id": "out_none", "text": "?"}, expert)
    comment = await desk.post(f"{path}/comments", {"outcome_id": outcome_id, "text": "Good"}, expert)
    answer_path = f"{path}/comments/{comment.json()['comment_id']}/resolution"
    first = await desk.post(answer_path, {"text": "Thank you"})
    second = await desk.post(answer_path, {"text": "Thanks again"})
    unknown = await desk.post(f"{path}/comments/cmt_none/resolution", {"text": "?"})

    assert (foreign.status_code, foreign.json()["code"]) == (422, "unknown_outcome")
    assert (comment.status_code, comment.json()["role"]) == (201, "expert")
    assert (first.status_code, second.status_code, unknown.status_code) == (200, 409, 404)
    assert second.json()["code"] == "already_resolved"


async def test_an_erased_person_leaves_no_words_and_the_vote_stays_counted(desk: Any, bus: Bus) -> None:
    draft = await desk.draft()
    review = await desk.review(draft)
    erased = desk.experts[0]
    await desk.vote(review, erased)
    event = PersonErased(person_id=erased)

    first = await bus.publish(erased, event)
    await bus.publish(erased, event, event_id=str(first.id))

    async def forgotten() -> Any:
        now = (await desk.get(f"/reviews/{review['review_id']}", desk.coordinator)).json()
        return now if now["votes"][0]["statement"] == "" else None

    after = await eventually(forgotten)
    assert after["tally"]["votes"] == 1
    assert after["revision"] == 3
