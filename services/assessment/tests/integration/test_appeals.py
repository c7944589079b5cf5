import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cme_contracts.assessment import MarkAmended
from cme_kit.ids import new_id
from cme_kit.testing import eventually

FUTURE = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()


def decision(upheld: bool = False, on: str = "2021-03-10", **changed: Any) -> dict[str, Any]:
    return {"upheld": upheld, "reason": "We looked again", "decided_on": on, **changed}


async def lodge(stage: Any, learner: Any, credit_id: str) -> dict[str, Any]:
    return await stage.ok(learner, "POST", f"/credits/{credit_id}/appeals", {"grounds": "Part two was not read"})


async def test_an_upheld_appeal_amends_the_credit_and_keeps_what_it_was(either_driver: Any) -> None:
    stage = either_driver
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1, 1, 3, 0)
    spare = await stage.hand_in(learner, enrolment_id, 1)
    appeal = await lodge(stage, learner, credit["credit_id"])
    path = f"/appeals/{appeal['appeal_id']}"

    decided = await stage.ok(
        stage.recogniser, "POST", f"{path}/decision", decision(upheld=True, marks=stage.marks(1, 2, 3, 0))
    )
    amended = await stage.ok(learner, "GET", f"/credits/{credit['credit_id']}")
    validation = {"validated_on": "2021-03-10", "statement": "They match"}
    validated = await stage.ok(stage.validator, "POST", f"/credits/{credit['credit_id']}/validation", validation)

    assert (appeal["state"], decided["state"]) == ("open", "upheld")
    assert decided["decision"]["decided_by"] == stage.recogniser.person_id
    assert decided == await stage.ok(learner, "GET", path)
    assert (amended["achieved"], amended["points"], amended["open_appeal_id"]) == (True, 5, None)
    [entry] = amended["history"]
    assert (entry["appeal_id"], entry["achieved"], entry["outcomes"]) == (
        appeal["appeal_id"],
        False,
        credit["outcomes"],
    )
    assert validated["state"] == "validated"
    assert (await stage.ok(learner, "GET", f"/submissions/{spare}"))["state"] == "superseded"

    async def published() -> list[Any]:
        return await stage.bus.published(MarkAmended)

    [event] = await eventually(published)
    assert (event.subject, event.data["achieved"]) == (credit["credit_id"], True)
    assert event.data["achieved_outcome_ids"] == [outcome.outcome_id for outcome in stage.unit(1).outcomes[:2]]


async def test_a_dismissed_appeal_changes_no_mark_and_validation_goes_on(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    appeal = await lodge(stage, learner, credit["credit_id"])
    validate = f"/credits/{credit['credit_id']}/validation"
    statement = {"statement": "They match"}

    blocked = await stage.call(stage.validator, "POST", validate, {**statement, "validated_on": "2021-03-10"})
    await stage.ok(stage.coordinator, "POST", f"/appeals/{appeal['appeal_id']}/decision", decision())
    before_it = await stage.call(stage.validator, "POST", validate, {**statement, "validated_on": "2021-03-09"})
    after_it = await stage.ok(stage.validator, "POST", validate, {**statement, "validated_on": "2021-03-10"})

    assert (blocked.status_code, blocked.json()["code"]) == (409, "appeal_open")
    assert before_it.json()["code"] == "date_out_of_order"
    assert (after_it["outcomes"], after_it["history"]) == (credit["outcomes"], [])


async def test_an_open_appeal_also_stops_a_new_assessment(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1, 1, 1, 1)
    await lodge(stage, learner, credit["credit_id"])
    submission_id = await stage.hand_in(learner, enrolment_id, 1)

    answer = await stage.call(stage.assessor, "POST", f"/submissions/{submission_id}/assessment", stage.assessment(1))

    assert (answer.status_code, answer.json()["code"]) == (409, "appeal_open")


async def test_of_an_appeal_and_a_validation_at_once_only_one_holds(stage: Any) -> None:
    validation = {"validated_on": "2021-03-10", "statement": "They match"}
    for _ in range(4):
        learner, enrolment_id = await stage.enrol()
        credit_id = (await stage.assessed(learner, enrolment_id, 1))["credit_id"]

        answers = await asyncio.gather(
            stage.call(stage.validator, "POST", f"/credits/{credit_id}/validation", validation),
            stage.call(learner, "POST", f"/credits/{credit_id}/appeals", {"grounds": "Look again"}),
        )

        assert sorted(answer.is_success for answer in answers) == [False, True]
        credit = await stage.ok(learner, "GET", f"/credits/{credit_id}")
        assert (credit["state"] == "validated") is (credit["open_appeal_id"] is None)


async def test_each_assessment_is_appealed_against_once_and_before_validation(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit_id = (await stage.assessed(learner, enrolment_id, 1, 1, 1, 1))["credit_id"]
    path = f"/credits/{credit_id}/appeals"
    body = {"grounds": "Look again"}

    at_once = await asyncio.gather(*(stage.call(learner, "POST", path, body) for _ in range(4)))
    [appeal] = [answer.json() for answer in at_once if answer.status_code == 201]
    twice = await stage.call(learner, "POST", path, body)
    await stage.ok(stage.coordinator, "POST", f"/appeals/{appeal['appeal_id']}/decision", decision())
    after = await stage.call(learner, "POST", path, body)
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    again = stage.assessment(1, on="2021-03-10")
    await stage.ok(stage.assessor, "POST", f"/submissions/{submission_id}/assessment", again)
    second_attempt = await stage.call(learner, "POST", path, body)
    await stage.ok(stage.coordinator, "POST", f"/appeals/{second_attempt.json()['appeal_id']}/decision", decision())
    validation = {"validated_on": "2021-03-10", "statement": "They match"}
    await stage.ok(stage.validator, "POST", f"/credits/{credit_id}/validation", validation)
    late = await stage.call(learner, "POST", path, body)

    assert sorted(answer.status_code for answer in at_once) == [201, 409, 409, 409]
    assert (twice.status_code, twice.json()["code"]) == (409, "appeal_open")
    assert (after.status_code, after.json()["code"]) == (409, "already_appealed")
    assert (second_attempt.status_code, second_attempt.json()["attempt"]) == (201, 2)
    assert (late.status_code, late.json()["code"]) == (409, "wrong_state")


async def test_a_decision_that_does_not_fit_changes_nothing(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1, 1, 3, 0)
    appeal = await lodge(stage, learner, credit["credit_id"])
    path = f"/appeals/{appeal['appeal_id']}/decision"
    lower, same = stage.marks(1, 1, 2, 0), stage.marks(1, 1, 3, 0)
    wrong = [
        (decision(upheld=True), "decision_does_not_fit"),
        (decision(marks=same), "decision_does_not_fit"),
        (decision(upheld=True, marks=lower), "marks_do_not_fit"),
        (decision(upheld=True, marks=same), "marks_do_not_fit"),
        (decision(upheld=True, marks=[{**same[0], "outcome_id": new_id("out")}]), "marks_do_not_fit"),
        (decision(on="2021-02-28"), "date_out_of_order"),
        (decision(on=FUTURE), "date_out_of_order"),
        (decision(upheld="yes"), "invalid_request"),
        (decision(state="upheld"), "invalid_request"),
    ]

    for body, code in wrong:
        answer = await stage.call(stage.recogniser, "POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), body

    assert (await stage.ok(learner, "GET", f"/appeals/{appeal['appeal_id']}"))["state"] == "open"
    assert (await stage.ok(learner, "GET", f"/credits/{credit['credit_id']}"))["outcomes"] == credit["outcomes"]


async def test_the_assessor_the_learner_and_strangers_do_not_decide(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1, 1, 3, 0)
    appeal = await lodge(stage, learner, credit["credit_id"])
    path = f"/appeals/{appeal['appeal_id']}/decision"
    decider = replace(stage.assessor, scopes=stage.recogniser.scopes)

    as_assessor = await stage.call(decider, "POST", path, decision())
    as_learner = await stage.call(replace(learner, scopes=stage.recogniser.scopes), "POST", path, decision())
    as_stranger = await stage.call(stage.foreigner, "POST", path, decision())
    as_system = await stage.call(replace(stage.recogniser, person_id="client"), "POST", path, decision())
    without_scope = await stage.call(stage.validator, "POST", path, decision())
    await stage.ok(stage.coordinator, "POST", path, decision())
    twice = await stage.call(stage.coordinator, "POST", path, decision())

    answers = [as_assessor, as_learner, as_stranger, as_system, without_scope, twice]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "separation_of_duties"),
        (403, "separation_of_duties"),
        (404, "not_found"),
        (403, "person_needed"),
        (403, "insufficient_scope"),
        (409, "wrong_state"),
    ]


async def test_appeals_are_seen_by_their_learner_and_those_with_a_duty(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    other, _ = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    foreign = await stage.call(other, "POST", f"/credits/{credit['credit_id']}/appeals", {"grounds": "Mine"})
    appeal = await lodge(stage, learner, credit["credit_id"])

    assert foreign.status_code == 404
    for person in (learner, stage.recogniser, stage.coordinator):
        assert (await stage.ok(person, "GET", "/appeals?state=open"))["items"] == [appeal]
    for person in (other, stage.foreigner):
        assert (await stage.ok(person, "GET", "/appeals"))["items"] == []
        assert (await stage.call(person, "GET", f"/appeals/{appeal['appeal_id']}")).status_code == 404
    assert (await stage.call(learner, "GET", f"/appeals/{new_id('apl')}")).status_code == 404
