from typing import Any

from cme_contracts.enrolment import AgreementApproved, LearnerEnrolled, PersonErased
from cme_kit.ids import new_id
from cme_kit.testing import eventually


async def figures(stage: Any) -> dict[str, int]:
    headers = stage.tokens.bearer("operator", "operations:read")
    return (await stage.service.http.get("/assessment/v1/operations/figures", headers=headers)).json()


async def test_events_delivered_twice_are_applied_once(stage: Any) -> None:
    plans = await stage.plans()
    learner, enrolment_id = await stage.enrol()
    await stage.recognise((await stage.validated(learner, enrolment_id, 1))["credit_id"])
    before = await stage.ok(learner, "GET", f"/learners/{enrolment_id}/transcript")
    enrolled = LearnerEnrolled(
        enrolment_id=enrolment_id,
        application_id=new_id("app"),
        person_id=learner.person_id,
        organisation_id=new_id("org"),
        country="LT",
        call_id=new_id("call"),
        cohort_id=stage.cohort_id,
        programme_id=stage.programme.programme_id,
        programme_version=1,
    )

    applied = (await figures(stage))["events_applied"]
    again = await stage.bus.publish(enrolment_id, enrolled)
    await stage.bus.publish(enrolment_id, enrolled, event_id=str(again.id))
    await stage.bus.publish(stage.programme.programme_id, stage.programme)
    _, other = await stage.enrol()

    async def settled() -> bool:
        # The repeated enrolment, the repeated programme, and the other learner's enrolment and agreement.
        return (await figures(stage))["events_applied"] == applied + 4

    await eventually(settled)
    assert other != enrolment_id
    assert await stage.plans() == plans
    assert await stage.ok(learner, "GET", f"/learners/{enrolment_id}/transcript") == before


async def test_an_agreement_that_overtakes_the_enrolment_waits_for_it(stage: Any) -> None:
    enrolment_id, person_id = new_id("enr"), new_id("per")
    agreement = AgreementApproved(
        agreement_id=new_id("agr"),
        enrolment_id=enrolment_id,
        version=3,
        content_hash="cd" * 32,
        unit_ids=[stage.unit(1).unit_id],
        home_organisation_id=stage.home,
        host_organisation_id=stage.host,
    )
    enrolled = LearnerEnrolled(
        enrolment_id=enrolment_id,
        application_id=new_id("app"),
        person_id=person_id,
        organisation_id=new_id("org"),
        country="PL",
        call_id=new_id("call"),
        cohort_id=stage.cohort_id,
        programme_id=stage.programme.programme_id,
        programme_version=1,
    )
    await stage.bus.publish(agreement.agreement_id, agreement)
    await stage.bus.publish(enrolment_id, enrolled)
    headers = stage.tokens.bearer(person_id, "assessment.transcripts:read")

    async def in_force() -> bool:
        answer = await stage.service.http.get(f"/assessment/v1/learners/{enrolment_id}/transcript", headers=headers)
        return answer.status_code == 200 and answer.json()["agreement_version"] == 3

    await eventually(in_force)
    assert (await figures(stage))["dead_letters"] == 0


async def test_an_erased_persons_words_and_files_go_and_the_attested_facts_stay(either_driver: Any) -> None:
    stage = either_driver
    learner, enrolment_id = await stage.enrol()
    recognised = await stage.assessed(learner, enrolment_id, 1, 1, 3, 0)
    lodged = await stage.ok(learner, "POST", f"/credits/{recognised['credit_id']}/appeals", {"grounds": "My illness"})
    decision = {"upheld": True, "reason": "Ill", "marks": stage.marks(1, 2, 3, 0), "decided_on": "2021-03-01"}
    await stage.ok(stage.recogniser, "POST", f"/appeals/{lodged['appeal_id']}/decision", decision)
    await stage.validate(recognised["credit_id"])
    await stage.recognise(recognised["credit_id"])
    waiting = await stage.hand_in(learner, enrolment_id, 2)
    other, other_enrolment = await stage.enrol()
    untouched = await stage.hand_in(other, other_enrolment, 1)
    await stage.bus.publish(learner.person_id, PersonErased(person_id=learner.person_id))

    async def erased() -> bool:
        return (await stage.ok(stage.coordinator, "GET", f"/submissions/{waiting}"))["state"] == "erased"

    await eventually(erased)
    credit = await stage.ok(stage.coordinator, "GET", f"/credits/{recognised['credit_id']}")
    appeal = await stage.ok(stage.coordinator, "GET", f"/appeals/{lodged['appeal_id']}")
    transcript = await stage.ok(stage.coordinator, "GET", f"/learners/{enrolment_id}/transcript")
    written = [credit["feedback"], *(outcome["comment"] for outcome in credit["outcomes"])]
    written += [entry["feedback"] for entry in credit["history"]]
    written += [outcome["comment"] for entry in credit["history"] for outcome in entry["outcomes"]]
    written += [appeal["grounds"], appeal["decision"]["reason"]]
    written += [mark["comment"] for mark in appeal["decision"]["marks"]]
    assert set(written) == {""}
    assert len(written) == 13
    for submission_id in (*recognised["evidence"], waiting):
        assert (await stage.call(stage.coordinator, "GET", f"/submissions/{submission_id}/content")).status_code == 404
        assert (await stage.ok(stage.coordinator, "GET", f"/submissions/{submission_id}"))["title"] == ""
    assert transcript["points_gained"] == 5
    assert credit["recognised"]["actor_id"] == stage.recogniser.person_id
    path = f"/learners/{enrolment_id}/units/{stage.unit(2).unit_id}/submissions"
    assert (await stage.call(learner, "POST", path, stage.evidence())).status_code == 404
    answer = await stage.call(stage.assessor, "POST", f"/submissions/{waiting}/assessment", stage.assessment(2))
    assert answer.json()["code"] == "wrong_state"
    assert (await stage.call(other, "GET", f"/submissions/{untouched}/content")).status_code == 200


async def test_the_service_is_ready_with_its_streams(stage: Any) -> None:
    await stage.enrol()
    answer = await stage.service.http.get("/health/ready")

    assert set(answer.json()["checks"]) == {"database", "broker", "consumers"}
    assert answer.json()["checks"]["database"] == "ok"
