"""A call: announced for a published version, opened and closed by the clock, changed only by who read it."""

import asyncio
from typing import Any

from cme_contracts.enrolment import CallOpened
from cme_kit.ids import new_id
from cme_kit.testing import eventually

from .conftest import moment


async def test_a_call_is_announced_and_everybody_may_see_it(house: Any) -> None:
    quotas = [{"country": "LT", "minimum": 1, "maximum": 7}]
    call = await house.call(seats=20, over_offer=6, quotas=quotas, starts_on="2027-09-01")

    read = await house.nobody().get(f"/calls/{call['call_id']}")
    listed = (await house.nobody().get("/calls")).json()["items"]

    assert read.json() == call == listed[0]
    assert read.headers["ETag"] == '"1"'
    expected = {"state": "open", "seats": 20, "seats_taken": 0, "over_offer": 6, "offers_open": 0, "quotas": quotas}
    assert call.items() >= expected.items()
    assert call["starts_on"] == "2027-09-01"

    async def told() -> list[Any]:
        return await house.bus.published(CallOpened)

    [event] = await eventually(told)
    assert event.subject == call["call_id"]
    assert event.data["cohort_id"] == call["cohort_id"]


async def test_a_call_needs_a_published_version(house: Any) -> None:
    answers = [
        await house.coordinator.post("/calls", house.new_call(programme_version=2)),
        await house.coordinator.post("/calls", house.new_call(programme_id=new_id("prg"))),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "programme_not_published")] * 2
    assert (await house.nobody().get("/calls")).json()["items"] == []


async def test_a_programme_published_twice_is_known_once(house: Any) -> None:
    event = await house.bus.publish(house.programme_id, house.published())
    await house.bus.publish(house.programme_id, house.published(), event_id=str(event.id))
    await house.bus.publish(house.programme_id, house.published(version=2))

    async def second() -> bool:
        return await house.database.collection("programmes").count({}) == 2

    await eventually(second)
    assert (await house.call(programme_version=2))["programme_version"] == 2


async def test_the_state_follows_the_window(house: Any) -> None:
    scheduled = await house.call(opens_at=moment(hours=1), closes_at=moment(hours=2))
    closed = await house.call(opens_at=moment(hours=-2), closes_at=moment(hours=-1))

    assert (scheduled["state"], closed["state"]) == ("scheduled", "closed")


async def test_the_window_moves_only_for_who_read_the_call(house: Any) -> None:
    call = await house.call()
    path, body = f"/calls/{call['call_id']}", {"closes_at": moment(hours=5)}

    missing = await house.coordinator.patch(path, body)
    moved = await house.coordinator.patch(path, body, **{"If-Match": '"1"'})
    stale = await house.coordinator.patch(path, body, **{"If-Match": '"1"'})
    backwards = await house.coordinator.patch(path, {"closes_at": moment(hours=-9)}, **{"If-Match": '"2"'})
    other_field = await house.coordinator.patch(path, {"seats": 99}, **{"If-Match": '"2"'})
    unknown = await house.coordinator.patch("/calls/call_0", body, **{"If-Match": '"1"'})

    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    assert (moved.status_code, moved.headers["ETag"], moved.json()["revision"]) == (200, '"2"', 2)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (backwards.status_code, backwards.json()["code"]) == (422, "window_ends_before_it_begins")
    assert other_field.status_code == 422
    assert unknown.status_code == 404


async def test_of_two_who_move_the_window_at_once_one_is_told(house: Any) -> None:
    call = await house.call()

    answers = await asyncio.gather(
        *(
            house.coordinator.patch(
                f"/calls/{call['call_id']}", {"closes_at": moment(hours=hours)}, **{"If-Match": '"1"'}
            )
            for hours in (2, 3)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_repeated_announcement_with_its_key_is_one_call(house: Any) -> None:
    body = house.new_call()

    first, second = [await house.coordinator.post("/calls", body, **{"Idempotency-Key": "call-1"}) for _ in range(2)]
    other = await house.coordinator.post("/calls", {**body, "seats": 9}, **{"Idempotency-Key": "call-1"})

    assert first.json() == second.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await house.nobody().get("/calls")).json()["items"]) == 1


async def test_an_unknown_call_is_not_found(house: Any) -> None:
    answers = [
        await house.nobody().get("/calls/call_0"),
        await house.coordinator.get("/calls/call_0/applications"),
        await house.coordinator.get("/calls/call_0/selection"),
        await house.coordinator.post("/calls/call_0/selection", {"answer_by": moment(hours=1)}),
        await house.coordinator.post("/calls/call_0/extension", {"seats": 9, "reason": "Room."}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 5
