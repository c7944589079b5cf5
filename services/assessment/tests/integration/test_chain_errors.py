import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cme_contracts.assessment import CreditAssessed, CreditRecognised
from cme_kit.ids import new_id
from cme_kit.testing import eventually

FUTURE = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
DAY, DAY_BEFORE = "2021-03-01", "2021-02-28"


def validation(on: str = DAY) -> dict[str, str]:
    return {"validated_on": on, "statement": "They match"}


async def test_marks_that_do_not_fit_change_nothing(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    path = f"/submissions/{submission_id}/assessment"
    good = stage.assessment(1)
    [first, second, third] = good["marks"]
    wrong = [
        ({"marks": [first, second]}, "marks_do_not_fit"),
        ({"marks": [first, second, third, first]}, "marks_do_not_fit"),
        ({"marks": [first, second, {**third, "outcome_id": stage.unit(2).outcomes[0].outcome_id}]}, "marks_do_not_fit"),
        ({"marks": [first, second, {**third, "level": 5}]}, "marks_do_not_fit"),
        ({"marks": [first, second, {**third, "level": "2"}]}, "invalid_request"),
        ({"marks": [first, second, {**third, "level": True}]}, "invalid_request"),
        ({"marks": []}, "invalid_request"),
        ({"assessed_on": FUTURE}, "date_out_of_order"),
        ({"assessed_on": "yesterday"}, "invalid_request"),
        ({"assessed_on": 1614556800}, "invalid_request"),
        ({"achieved": True}, "invalid_request"),
        ({"points": 20}, "invalid_request"),
    ]

    for changed, code in wrong:
        answer = await stage.call(stage.assessor, "POST", path, {**good, **changed})
        assert (answer.status_code, answer.json()["code"]) == (422, code), changed

    assert (await stage.ok(learner, "GET", f"/submissions/{submission_id}"))["state"] == "submitted"
    assert (await stage.ok(learner, "GET", "/credits"))["items"] == []


async def test_only_handed_in_evidence_is_assessed_and_only_once(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    waiting = await stage.declare(learner, enrolment_id, 1)
    body = stage.assessment(1)

    early = await stage.call(stage.assessor, "POST", f"/submissions/{waiting}/assessment", body)
    handed_in = await stage.hand_in(learner, enrolment_id, 1)
    answers = await asyncio.gather(
        *(stage.call(stage.assessor, "POST", f"/submissions/{handed_in}/assessment", body) for _ in range(4))
    )

    assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert (await stage.ok(learner, "GET", f"/submissions/{waiting}"))["state"] == "superseded"

    async def published() -> list[Any]:
        return await stage.bus.published(CreditAssessed)

    assert len(await eventually(published)) == 1


async def test_all_evidence_of_a_unit_is_assessed_together(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    ids = [await stage.hand_in(learner, enrolment_id, 1) for _ in range(2)]

    credit = await stage.assess(ids[1], 1)

    assert credit["evidence"] == sorted(ids)
    items = (await stage.ok(learner, "GET", f"/learners/{enrolment_id}/submissions"))["items"]
    assert [item["state"] for item in items] == ["assessed", "assessed"]


async def test_a_unit_that_was_not_achieved_is_handed_in_again_and_its_history_kept(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    first = await stage.assessed(learner, enrolment_id, 1, 1, 3, 0)
    refused = await stage.call(stage.validator, "POST", f"/credits/{first['credit_id']}/validation", validation())

    second = await stage.assessed(learner, enrolment_id, 1, 2, 3, 0)
    path = f"/learners/{enrolment_id}/units/{stage.unit(1).unit_id}/submissions"
    enough = await stage.call(learner, "POST", path, stage.evidence())

    assert (first["achieved"], first["points"], first["points_targeted"]) == (False, 0, 5)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_achieved")
    assert (second["credit_id"], second["attempt"], second["achieved"]) == (first["credit_id"], 2, True)
    [entry] = second["history"]
    assert (entry["attempt"], entry["replaced_by"], entry["outcomes"]) == (1, "assessment", first["outcomes"])
    assert entry["evidence"] == first["evidence"] != second["evidence"]
    assert (enough.status_code, enough.json()["code"]) == (409, "unit_achieved")


async def test_no_step_is_skipped_or_repeated(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    validate, recognise = (f"/credits/{credit['credit_id']}/{step}" for step in ("validation", "recognition"))

    skipped = await stage.call(stage.recogniser, "POST", recognise, {"recognised_on": DAY})
    await stage.validate(credit["credit_id"])
    repeated = await stage.call(stage.validator, "POST", validate, validation())
    await stage.recognise(credit["credit_id"])
    answers = [
        skipped,
        repeated,
        await stage.call(stage.recogniser, "POST", recognise, {"recognised_on": DAY}),
        await stage.call(stage.validator, "POST", validate, validation()),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "wrong_state")] * 4


async def test_each_step_is_another_persons(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    validate, recognise = (f"/credits/{credit['credit_id']}/{step}" for step in ("validation", "recognition"))
    assessor_validates = replace(stage.validator, person_id=stage.assessor.person_id)
    learner_validates = replace(stage.validator, person_id=learner.person_id)

    refused = [
        await stage.call(assessor_validates, "POST", validate, validation()),
        await stage.call(learner_validates, "POST", validate, validation()),
    ]
    await stage.validate(credit["credit_id"])
    for person_id in (stage.assessor.person_id, stage.validator.person_id, learner.person_id):
        person = replace(stage.recogniser, person_id=person_id)
        refused.append(await stage.call(person, "POST", recognise, {"recognised_on": DAY}))

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "separation_of_duties")] * 5
    assert (await stage.ok(learner, "GET", f"/credits/{credit['credit_id']}"))["state"] == "validated"


async def test_learners_do_not_assess_themselves_and_systems_assess_nobody(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    path, body = f"/submissions/{submission_id}/assessment", stage.assessment(1)

    own = await stage.call(replace(stage.assessor, person_id=learner.person_id), "POST", path, body)
    system = await stage.call(replace(stage.assessor, person_id="marking-robot"), "POST", path, body)

    assert (own.status_code, own.json()["code"]) == (403, "separation_of_duties")
    assert (system.status_code, system.json()["code"]) == (403, "person_needed")


async def test_the_assessing_institution_does_not_recognise_even_when_the_plan_changed(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.validated(learner, enrolment_id, 1)
    [plan, _] = await stage.plans()
    body = stage.change_of(plan, assessing_institution_id=stage.outsider, recognising_institution_id=stage.host)
    await stage.ok(stage.coordinator, "PUT", f"/plans/{plan['plan_id']}", body, If_Match=f'"{plan["revision"]}"')
    colleague = replace(stage.recogniser, organisation_id=stage.host)

    path = f"/credits/{credit['credit_id']}/recognition"
    answer = await stage.call(colleague, "POST", path, {"recognised_on": DAY})

    assert (answer.status_code, answer.json()["code"]) == (403, "separation_of_duties")


async def test_other_institutions_find_nothing_to_act_on(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    submission_id = await stage.hand_in(learner, enrolment_id, 1)
    assess, body = f"/submissions/{submission_id}/assessment", stage.assessment(1)
    assert (await stage.call(stage.foreigner, "POST", assess, body)).status_code == 404
    credit_id = (await stage.assess(submission_id, 1))["credit_id"]
    scopes = stage.foreigner.scopes

    for organisation_id in (stage.outsider, stage.host, stage.home, None):
        person = replace(stage.validator, organisation_id=organisation_id)
        answer = await stage.call(person, "POST", f"/credits/{credit_id}/validation", validation())
        unknown = await stage.call(person, "POST", f"/credits/{new_id('crd')}/validation", validation())
        assert (answer.status_code, answer.json()) == (404, unknown.json())
    await stage.validate(credit_id)
    for organisation_id in (stage.outsider, stage.host, stage.school, None):
        person = replace(stage.recogniser, organisation_id=organisation_id, scopes=scopes)
        answer = await stage.call(person, "POST", f"/credits/{credit_id}/recognition", {"recognised_on": DAY})
        assert answer.status_code == 404
    other, _ = await stage.enrol()
    for stranger in (stage.foreigner, other):
        assert (await stage.call(stranger, "GET", f"/credits/{credit_id}")).status_code == 404
        assert (await stage.ok(stranger, "GET", f"/credits?enrolment_id={enrolment_id}"))["items"] == []


async def test_days_are_in_order(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    validate, recognise = (f"/credits/{credit['credit_id']}/{step}" for step in ("validation", "recognition"))

    answers = [await stage.call(stage.validator, "POST", validate, validation(day)) for day in (DAY_BEFORE, FUTURE)]
    await stage.validate(credit["credit_id"])
    answers += [
        await stage.call(stage.recogniser, "POST", recognise, {"recognised_on": day}) for day in (DAY_BEFORE, FUTURE)
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "date_out_of_order")] * 4


async def test_scopes_are_checked_for_each_step(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.assessed(learner, enrolment_id, 1)
    path = f"/credits/{credit['credit_id']}"

    answers = [
        await stage.call(stage.assessor, "POST", f"{path}/validation", validation()),
        await stage.call(stage.validator, "POST", f"{path}/recognition", {"recognised_on": DAY}),
        await stage.call(stage.assessor, "POST", f"{path}/appeals", {"grounds": "x"}),
        await stage.call(learner, "POST", f"/submissions/{credit['evidence'][0]}/assessment", stage.assessment(1)),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "insufficient_scope")] * 4


async def test_a_repeated_recognition_with_its_key_answers_the_same(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    credit = await stage.validated(learner, enrolment_id, 1)
    path = f"/credits/{credit['credit_id']}/recognition"

    answers = await asyncio.gather(
        *(stage.call(stage.recogniser, "POST", path, {"recognised_on": DAY}, Idempotency_Key="once") for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1

    async def published() -> list[Any]:
        return await stage.bus.published(CreditRecognised)

    assert len(await eventually(published)) == 1


async def test_credits_are_listed_by_state_for_those_with_a_duty(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    other, other_enrolment = await stage.enrol()
    first = await stage.assessed(learner, enrolment_id, 1)
    second = await stage.validated(learner, enrolment_id, 2)
    third = await stage.assessed(other, other_enrolment, 1)

    async def listed(person: Any, query: str = "") -> list[str]:
        items = (await stage.ok(person, "GET", f"/credits{query}"))["items"]
        return [item["credit_id"] for item in items]

    assert await listed(stage.validator, "?state=assessed") == [first["credit_id"], third["credit_id"]]
    assert await listed(stage.recogniser, "?state=validated") == [second["credit_id"]]
    assert await listed(stage.coordinator, f"?enrolment_id={other_enrolment}") == [third["credit_id"]]
    assert await listed(learner) == [first["credit_id"], second["credit_id"]]
    page = await stage.ok(stage.coordinator, "GET", "/credits?limit=2")
    assert await listed(stage.coordinator, f"?limit=2&after={page['next']}") == [third["credit_id"]]
