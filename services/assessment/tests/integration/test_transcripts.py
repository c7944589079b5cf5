from typing import Any

from cme_contracts.enrolment import LearnerEnrolled, LearnerWithdrawn
from cme_kit.ids import new_id
from cme_kit.testing import eventually


async def test_a_transcript_shows_targeted_against_achieved_outcomes(either_driver: Any) -> None:
    stage = either_driver
    learner, enrolment_id = await stage.enrol()
    path = f"/learners/{enrolment_id}/transcript"
    await stage.assessed(learner, enrolment_id, 1, 3, 1, 0)
    await stage.hand_in(learner, enrolment_id, 2)

    transcript = await stage.ok(learner, "GET", path)

    [first, second] = transcript["units"]
    assert transcript["programme"] == {
        "programme_id": stage.programme.programme_id,
        "version": 1,
        "content_hash": "ab" * 32,
        "title": {"en": "Cluster manager"},
    }
    assert transcript["agreement_version"] == 1
    assert (first["code"], first["state"], first["points_targeted"], first["points_gained"]) == ("M1", "assessed", 5, 0)
    assert [outcome["code"] for outcome in first["targeted_outcomes"]] == ["M1-K", "M1-S", "M1-R"]
    assert [(outcome["code"], outcome["level"]) for outcome in first["achieved_outcomes"]] == [("M1-K", 3)]
    assert [outcome["code"] for outcome in first["missing"]] == ["M1-S", "M1-R"]
    assert first["acts"]["assessed"] == {
        "actor_id": stage.assessor.person_id,
        "institution_id": stage.host,
        "on": "2021-03-01",
    }
    assert first["agreement"]["content_hash"] == "cd" * 32
    assert (second["state"], second["achieved_outcomes"], second["acts"]["assessed"]) == ("submitted", [], None)
    assert (transcript["points_targeted"], transcript["points_gained"], transcript["completed"]) == (10, 0, False)


async def test_points_are_gained_by_recognition_and_all_units_complete_the_programme(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    path = f"/learners/{enrolment_id}/transcript"
    gained = []
    for unit, day in ((1, "2021-04-01"), (2, "2021-11-20")):
        credit = await stage.validated(learner, enrolment_id, unit)
        gained.append((await stage.ok(learner, "GET", path))["points_gained"])
        await stage.recognise(credit["credit_id"], day)
        gained.append((await stage.ok(learner, "GET", path))["points_gained"])

    transcript = await stage.ok(stage.validator, "GET", path)

    assert gained == [0, 5, 5, 10]
    assert (transcript["completed"], transcript["completed_on"]) == (True, "2021-11-20")
    assert [unit["state"] for unit in transcript["units"]] == ["recognised", "recognised"]
    assert transcript["units"][1]["acts"]["recognised"]["on"] == "2021-11-20"


async def test_the_transcript_stays_on_the_learners_version(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    later = stage.programme.model_copy(update={"version": 2, "content_hash": "ef" * 32, "title": {"en": "Newer"}})
    await stage.bus.publish(later.programme_id, later)

    async def known() -> bool:
        query = f"/plans?programme_id={later.programme_id}&version=2"
        return len((await stage.ok(stage.coordinator, "GET", query))["items"]) == 2

    await eventually(known)
    transcript = await stage.ok(learner, "GET", f"/learners/{enrolment_id}/transcript")
    assert (transcript["programme"]["version"], transcript["programme"]["title"]) == (1, {"en": "Cluster manager"})
    assert len(transcript["units"]) == 2


async def test_strangers_see_neither_transcript_nor_progress(stage: Any) -> None:
    learner, enrolment_id = await stage.enrol()
    other, _ = await stage.enrol()

    for stranger in (other, stage.foreigner):
        foreign = await stage.call(stranger, "GET", f"/learners/{enrolment_id}/transcript")
        unknown = await stage.call(stranger, "GET", f"/learners/{new_id('enr')}/transcript")
        assert (foreign.status_code, foreign.json()) == (404, unknown.json())
        assert (await stage.call(stranger, "GET", f"/cohorts/{stage.cohort_id}/progress")).status_code == 404
    assert (await stage.call(learner, "GET", f"/cohorts/{stage.cohort_id}/progress")).status_code == 404
    assert (await stage.call(stage.coordinator, "GET", f"/cohorts/{new_id('coh')}/progress")).status_code == 404
    nobody = await stage.service.http.get(f"/assessment/v1/learners/{enrolment_id}/transcript")
    assert nobody.status_code == 401


async def test_progress_counts_a_cohort(stage: Any) -> None:
    finished, finished_enrolment = await stage.enrol()
    left, left_enrolment = await stage.enrol()
    for unit in (1, 2):
        await stage.recognise((await stage.validated(finished, finished_enrolment, unit))["credit_id"])
    await stage.validated(left, left_enrolment, 1)
    await stage.assessed(left, left_enrolment, 2)
    event = LearnerWithdrawn(
        enrolment_id=left_enrolment,
        person_id=left.person_id,
        cohort_id=stage.cohort_id,
        reason_code="workload",
        withdrawn_on="2021-06-01",
    )
    await stage.bus.publish(left_enrolment, event)

    async def counted() -> Any:
        progress = await stage.ok(stage.assessor, "GET", f"/cohorts/{stage.cohort_id}/progress")
        return progress if progress["withdrawn"] else None

    assert await eventually(counted) == {
        "cohort_id": stage.cohort_id,
        "enrolled": 1,
        "withdrawn": 1,
        "completed": 1,
        "credits": {"assessed": 1, "validated": 1, "recognised": 2},
    }


async def test_a_learner_whose_programme_has_not_arrived_is_told_so(stage: Any) -> None:
    person, enrolment_id = new_id("per"), new_id("enr")
    event = LearnerEnrolled(
        enrolment_id=enrolment_id,
        application_id=new_id("app"),
        person_id=person,
        organisation_id=new_id("org"),
        country="FI",
        call_id=new_id("call"),
        cohort_id=new_id("coh"),
        programme_id=new_id("prg"),
        programme_version=1,
    )
    await stage.bus.publish(enrolment_id, event)
    headers = stage.tokens.bearer(person, "assessment.transcripts:read")

    async def answered() -> bool:
        answer = await stage.service.http.get(f"/assessment/v1/learners/{enrolment_id}/transcript", headers=headers)
        return answer.status_code == 409 and answer.json()["code"] == "programme_not_known"

    await eventually(answered)
