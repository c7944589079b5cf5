"""Applying, being eligible, and being read by two."""

import asyncio
from typing import Any

import pytest
from cme_contracts.enrolment import ApplicationSubmitted
from cme_kit.ids import new_id
from cme_kit.testing import eventually, person_id

from .conftest import APPLICANT, moment

SMALL = {"management_fte": 0.2, "members": 12, "member_types": ["company"]}
BOTH_DRIVERS = pytest.mark.parametrize("driver", ["motor", "pymongo"])


async def test_an_application_is_checked_stored_and_told(house: Any) -> None:
    call = await house.call()

    applied = await house.apply(call["call_id"], country="FI")

    application = applied.application
    assert (application["state"], application["eligibility"]["eligible"]) == ("submitted", True)
    assert application["eligibility"]["checks"][1] == {"rule": "members", "required": 15, "actual": 40, "passed": True}
    assert (await house.seats(call))["applications"] == 1

    async def told() -> list[Any]:
        return await house.bus.published(ApplicationSubmitted)

    [event] = await eventually(told)
    keys = ("application_id", "call_id", "person_id", "organisation_id", "country")
    assert event.data == {key: application[key] for key in keys}


async def test_one_application_per_person_and_call_also_when_sent_at_once(house: Any) -> None:
    call = await house.call()
    person, body = await house.applicant(), house.application(await house.organisation())
    path = f"/calls/{call['call_id']}/applications"

    answers = await asyncio.gather(*(person.post(path, body) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_applied"}
    assert (await house.seats(call))["applications"] == 1


async def test_what_an_application_needs(house: Any) -> None:
    call = await house.call()
    early = await house.call(opens_at=moment(hours=1), closes_at=moment(hours=2))
    late = await house.call(opens_at=moment(hours=-2), closes_at=moment(hours=-1))
    person, stranger = await house.applicant(), house.someone(person_id(), *APPLICANT)
    system = house.someone("some-system", *APPLICANT)
    body = house.application(await house.organisation())

    async def code(someone: Any, of: str, application: Any) -> tuple[int, str]:
        answer = await someone.post(f"/calls/{of}/applications", application)
        return answer.status_code, answer.json()["code"]

    assert await code(person, early["call_id"], body) == (409, "call_closed")
    assert await code(person, late["call_id"], body) == (409, "call_closed")
    assert await code(person, "call_0", body) == (404, "not_found")
    assert await code(stranger, call["call_id"], body) == (409, "profile_missing")
    assert await code(system, call["call_id"], body) == (403, "person_required")
    unknown = {**body, "organisation_id": new_id("org")}
    assert await code(person, call["call_id"], unknown) == (422, "unknown_organisation")
    for wrong in (
        {"eligibility": {}},
        {"employer_support": "yes"},
        {"motivation": ""},
        {"cluster": {**SMALL, "members": -1}},
    ):
        assert await code(person, call["call_id"], {**body, **wrong}) == (422, "invalid_request")
    assert (await house.seats(call))["applications"] == 0


async def test_a_waiver_makes_eligible_and_says_why(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"], cluster=SMALL)
    application_id = applied.application["application_id"]
    path, body = f"/applications/{application_id}/waiver", {"reason": "Member of a national cluster programme."}
    refused = await house.score(application_id, house.reader(), 3)

    waived = await house.coordinator.post(path, body)
    again = await house.coordinator.post(path, body)

    assert applied.application["eligibility"]["eligible"] is False
    assert (refused.status_code, refused.json()["code"]) == (409, "not_eligible")
    eligibility = waived.json()["eligibility"]
    assert (eligibility["eligible"], eligibility["waived"], eligibility["waiver_reason"]) == (
        True,
        True,
        body["reason"],
    )
    assert [check["passed"] for check in eligibility["checks"]] == [False, False, False]
    assert (again.status_code, again.json()["code"]) == (409, "already_eligible")
    assert (await house.score(application_id, house.reader(), 3)).status_code == 201
    assert (await house.coordinator.post("/applications/app_0/waiver", body)).status_code == 404


async def test_two_readers_score_and_nobody_else(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"])
    application_id, organisation_id = (applied.application[key] for key in ("application_id", "organisation_id"))
    first, second, third = house.reader(), house.reader(org=await house.organisation()), house.reader()
    colleague = house.reader(org=organisation_id)
    applicant = house.someone(applied.person.subject, "enrolment.applications:score")

    near = [await house.score(application_id, someone, 5) for someone in (colleague, applicant)]
    scored = await house.score(application_id, first, 4)
    twice = await house.score(application_id, first, 5)
    await house.score(application_id, second, 3)
    too_many = await house.score(application_id, third, 1)

    assert [(answer.status_code, answer.json()["code"]) for answer in near] == [(409, "conflict_of_interest")] * 2
    assert (scored.status_code, scored.json()["total"]) == (201, 12)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_scored")
    assert (too_many.status_code, too_many.json()["code"]) == (409, "fully_scored")
    read = (await house.coordinator.get(f"/applications/{application_id}")).json()
    assert [score["total"] for score in read["scores"]] == [12, 9]


@BOTH_DRIVERS
async def test_of_four_readers_at_once_two_count(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"])
    readers = [house.reader() for _ in range(4)]

    answers = await asyncio.gather(
        *(house.score(applied.application["application_id"], reader, 2) for reader in readers)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]


async def test_a_score_is_0_to_5_and_the_application_known(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"])
    application_id = applied.application["application_id"]

    wrong = [await house.score(application_id, house.reader(), points) for points in (6, -1, 2.5, "3", True)]
    unknown = await house.score("app_0", house.reader(), 3)

    assert [answer.status_code for answer in wrong] == [422] * 5
    assert unknown.status_code == 404


async def test_readers_do_not_see_the_other_score_before_both_are_given(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"])
    path = f"/applications/{applied.application['application_id']}"
    first, second = house.reader(), house.reader()

    await house.score(applied.application["application_id"], first, 4)
    blind = [(await someone.get(path)).json()["scores"] for someone in (first, second, applied.person)]
    await house.score(applied.application["application_id"], second, 3)
    both = [(await someone.get(path)).json()["scores"] for someone in (first, second, applied.person)]

    assert [len(scores) for scores in blind] == [1, 0, 0]
    assert [len(scores) for scores in both] == [2, 2, 0]


async def test_an_application_is_seen_by_its_applicant_and_the_readers_only(house: Any) -> None:
    call = await house.call()
    applied, other = await house.apply(call["call_id"]), await house.apply(call["call_id"])
    path = f"/applications/{applied.application['application_id']}"

    foreign = await other.person.get(path)
    unknown = await other.person.get("/applications/app_0")
    taken_back = await other.person.post(f"{path}/withdrawal")

    assert (await applied.person.get(path)).json() == applied.application
    assert (await house.reader().get(path)).status_code == 200
    assert (foreign.status_code, taken_back.status_code) == (404, 404)
    assert foreign.json()["detail"] == unknown.json()["detail"]
    listed = (await house.reader().get(f"/calls/{call['call_id']}/applications", params={"limit": 1})).json()
    assert len(listed["items"]) == 1
    assert listed["next"] == listed["items"][0]["application_id"]


async def test_an_application_is_taken_back_before_it_is_decided(house: Any) -> None:
    call = await house.call()
    gone, stays = await house.apply(call["call_id"]), await house.apply(call["call_id"], points=3)
    path = f"/applications/{gone.application['application_id']}/withdrawal"

    withdrawn = [await gone.person.post(path) for _ in range(2)]
    ranked = await house.select(call, [stays])
    too_late = await stays.person.post(f"/applications/{stays.application['application_id']}/withdrawal")

    assert [(answer.status_code, answer.json()["state"]) for answer in withdrawn] == [(200, "withdrawn")] * 2
    assert [line["application_id"] for line in ranked] == [stays.application["application_id"]]
    assert (too_late.status_code, too_late.json()["code"]) == (409, "already_decided")
