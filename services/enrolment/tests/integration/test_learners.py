"""Learners: who sees them, and what their leaving means."""

from typing import Any

from cme_contracts.enrolment import LearnerEnrolled, LearnerWithdrawn
from cme_kit.testing import eventually

BEFORE_START = {"reason_code": "job_change", "note": "Moved abroad.", "withdrawn_on": "2026-08-15"}


async def test_a_learner_is_seen_by_themself_their_organisation_and_the_coordinator(house: Any) -> None:
    person, learner = await house.learner()
    path = f"/learners/{learner['enrolment_id']}"
    at_home = house.signatory(learner["organisation_id"])
    elsewhere = house.signatory(await house.organisation())

    seen = [(await someone.get(path)).json() for someone in (person, at_home, house.coordinator)]
    foreign, unknown = await elsewhere.get(path), await elsewhere.get("/learners/enr_0")

    assert seen == [learner] * 3
    assert learner.items() >= {"state": "enrolled", "programme_version": 1, "country": "SE", "withdrawal": None}.items()
    assert (foreign.status_code, foreign.json()["detail"]) == (404, unknown.json()["detail"])
    mine = (await person.get("/learners/mine")).json()["items"]
    cohort = (await house.coordinator.get("/learners", params={"cohort_id": learner["cohort_id"]})).json()["items"]
    other = (await house.coordinator.get("/learners", params={"cohort_id": "coh_0"})).json()["items"]
    assert (mine, cohort, other) == ([learner], [learner], [])

    async def told() -> list[Any]:
        return await house.bus.published(LearnerEnrolled)

    [event] = await eventually(told)
    assert event.subject == learner["enrolment_id"]
    assert event.data.items() <= learner.items()


async def test_a_late_withdrawal_is_told_and_keeps_the_seat_taken(house: Any) -> None:
    call = await house.call(seats=1)
    first, _ = applied = await house.seed(call, ("SE", 28), ("SE", 20))
    await house.select(call, applied)
    enrolment_id = (await house.accept(first)).json()["enrolment_id"]
    path, body = f"/learners/{enrolment_id}/withdrawal", {**BEFORE_START, "withdrawn_on": "2021-06-30"}

    withdrawn = await house.coordinator.post(path, body, **{"Idempotency-Key": "leave"})
    repeated = await house.coordinator.post(path, body, **{"Idempotency-Key": "leave"})
    again = await house.coordinator.post(path, body)

    assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
    assert withdrawn.json()["withdrawal"]["note"] == "Moved abroad."
    assert repeated.json() == withdrawn.json()
    assert (again.status_code, again.json()["code"]) == (409, "already_withdrawn")
    assert (await first.person.get(f"/learners/{enrolment_id}")).json()["withdrawal"]["note"] is None
    seats = await house.seats(call)
    assert (seats["seats_taken"], seats["offers_open"]) == (1, 0)

    async def told() -> list[Any]:
        return await house.bus.published(LearnerWithdrawn)

    [event] = await eventually(told)
    assert event.data.items() >= {"enrolment_id": enrolment_id, "reason_code": "job_change"}.items()
    assert "note" not in event.data


async def test_a_withdrawal_before_the_start_gives_the_seat_to_the_waiting_list(house: Any) -> None:
    call = await house.call(seats=1, starts_on="2026-09-01")
    first, waiting = applied = await house.seed(call, ("SE", 28), ("SE", 20))
    await house.select(call, applied)
    enrolment_id = (await house.accept(first)).json()["enrolment_id"]

    await house.coordinator.post(f"/learners/{enrolment_id}/withdrawal", BEFORE_START)
    await house.find_offers(call, applied)
    accepted = await house.accept(waiting)

    assert accepted.status_code == 200
    assert (await house.seats(call))["seats_taken"] == 1


async def test_a_wrong_withdrawal_changes_nothing(house: Any) -> None:
    person, learner = await house.learner()
    path = f"/learners/{learner['enrolment_id']}"
    wrong = [
        ({"withdrawn_on": "2999-01-01"}, "withdrawn_in_future"),
        ({"reason_code": "bored"}, "invalid_request"),
        ({"state": "withdrawn"}, "invalid_request"),
    ]

    for field, code in wrong:
        answer = await house.coordinator.post(f"{path}/withdrawal", {**BEFORE_START, **field})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    unknown = await house.coordinator.post("/learners/enr_0/withdrawal", BEFORE_START)

    assert unknown.status_code == 404
    assert (await person.get(path)).json() == learner
