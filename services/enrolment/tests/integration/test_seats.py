"""The seats of a cohort: never more learners than seats, whoever answers when."""

import asyncio
from typing import Any

import pytest
from cme_contracts.enrolment import LearnerEnrolled, SeatDeclined, SeatExpired, SeatOffered
from cme_kit.testing import Engines, Tokens, eventually, running
from enrolment.app import build
from enrolment.settings import Settings

BOTH_DRIVERS = pytest.mark.parametrize("driver", ["motor", "pymongo"])


def states(ranked: list[dict[str, Any]]) -> list[str]:
    return [line["decision"] for line in ranked]


@BOTH_DRIVERS
async def test_fifty_concurrent_acceptances_fill_twenty_seats_exactly(house: Any) -> None:
    call = await house.call(seats=20, over_offer=30)
    applied = await house.seed(call, *[("SE", 20)] * 50)
    await house.select(call, applied)

    answers = await asyncio.wait_for(asyncio.gather(*(house.accept(one) for one in applied)), timeout=60)

    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [409] * 30
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"seats_taken"}
    assert len({answer.json()["enrolment_id"] for answer in answers if answer.status_code == 200}) == 20
    seats = await house.seats(call)
    assert (seats["seats_taken"], seats["offers_open"]) == (20, 30)
    assert await house.database.collection("learners").count({}) == 20

    async def enrolled() -> bool:
        return len(await house.bus.published(LearnerEnrolled)) >= 20

    await eventually(enrolled)
    await asyncio.sleep(0.3)  # whatever would come too much has come by now
    assert len(await house.bus.published(LearnerEnrolled)) == 20


async def test_two_replicas_fill_the_seats_exactly(house: Any, engines: Engines, tokens: Tokens) -> None:
    """Without a common process only the call's document stands between them."""
    call = await house.call(seats=5, over_offer=15)
    applied = await house.seed(call, *[("SE", 20)] * 20)
    await house.select(call, applied)
    async with running(build(engines.settings(Settings, mongo_driver="pymongo")), tokens) as replica:
        for one in applied[::2]:
            one.person.http = replica.http

        answers = await asyncio.wait_for(asyncio.gather(*(house.accept(one) for one in applied)), timeout=60)

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [409] * 15
    assert await house.database.collection("learners").count({}) == 5


async def test_an_offer_refused_for_want_of_seats_is_accepted_after_an_extension(house: Any) -> None:
    call = await house.call(seats=1, over_offer=1)
    first, second = applied = await house.seed(call, ("SE", 20), ("FI", 10))
    await house.select(call, applied)
    assert (await house.accept(first)).status_code == 200
    full = await house.accept(second)

    body = {"seats": 2, "reason": "A fourth module host has room."}
    extended = (await house.coordinator.post(f"/calls/{call['call_id']}/extension", body)).json()
    accepted = await house.accept(second)

    assert (full.status_code, full.json()["code"]) == (409, "seats_taken")
    assert (extended["seats"], extended["seats_taken"]) == (2, 1)
    [decision] = extended["history"]
    assert (decision["seats_before"], decision["seats_after"], decision["reason"]) == (1, 2, body["reason"])
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")


async def test_accepting_twice_answers_the_same_and_takes_one_seat(house: Any) -> None:
    call = await house.call(seats=2)
    [applied] = await house.seed(call, ("SE", 20))
    await house.select(call, [applied])

    first, second = await asyncio.gather(house.accept(applied), house.accept(applied))
    with_key = [await house.accept(applied, **{"Idempotency-Key": "take"}) for _ in range(2)]

    assert len({answer.json()["enrolment_id"] for answer in (first, second, *with_key)}) == 1
    assert (await house.seats(call))["seats_taken"] == 1


@BOTH_DRIVERS
async def test_a_declined_seat_goes_to_the_best_waiting_whose_country_may_hold_it(house: Any) -> None:
    call = await house.call(seats=2, quotas=[{"country": "LT", "minimum": 0, "maximum": 1}])
    se, lt, lt_waiting, fi_waiting = applied = await house.seed(call, ("SE", 20), ("LT", 26), ("LT", 24), ("FI", 10))
    ranked = await house.select(call, applied)

    declined = await se.person.post(f"/offers/{se.offer['offer_id']}/refusal", {"reason": "A new job."})
    after = (await house.coordinator.get(f"/calls/{call['call_id']}/selection")).json()["ranked"]

    assert states(ranked) == ["offered", "waitlisted", "offered", "waitlisted"]
    assert "LT holds 1 place already, its maximum" in ranked[1]["explanation"]
    assert declined.json()["state"] == "declined"
    assert states(after) == ["offered", "waitlisted", "offered", "offered"]
    assert after[3]["explanation"].startswith("Offered from the waiting list")
    await house.find_offers(call, applied)
    assert (await house.accept(fi_waiting)).status_code == 200
    assert (await house.accept(lt)).status_code == 200
    assert not lt_waiting.offer

    async def told() -> bool:
        return (len(await house.bus.published(SeatDeclined)), len(await house.bus.published(SeatOffered))) == (1, 3)

    await eventually(told)


async def test_a_promotion_restores_a_country_minimum_first(house: Any) -> None:
    call = await house.call(seats=2, quotas=[{"country": "LT", "minimum": 1, "maximum": 2}])
    _, lt, _, lt_waiting = applied = await house.seed(call, ("SE", 28), ("LT", 9), ("FI", 25), ("LT", 8))
    ranked = await house.select(call, applied)

    await lt.person.post(f"/offers/{lt.offer['offer_id']}/refusal", {})
    after = (await house.coordinator.get(f"/calls/{call['call_id']}/selection")).json()["ranked"]

    assert states(ranked) == ["offered", "waitlisted", "offered", "waitlisted"]
    assert "1 place kept for LT" in ranked[2]["explanation"]
    assert states(after) == ["offered", "waitlisted", "offered", "offered"]
    assert "fewer than the 1 place kept for it" in after[3]["explanation"]
    assert after[3]["application_id"] == lt_waiting.application["application_id"]


async def test_nobody_is_promoted_while_open_offers_could_fill_the_seats(house: Any) -> None:
    call = await house.call(seats=1, over_offer=1)
    first, *_ = applied = await house.seed(call, ("SE", 28), ("SE", 26), ("SE", 24))
    await house.select(call, applied)

    await first.person.post(f"/offers/{first.offer['offer_id']}/refusal", {})

    seats = await house.seats(call)
    assert (seats["seats_taken"], seats["offers_open"]) == (0, 1)


async def test_an_extension_offers_what_no_open_offer_could_fill(house: Any) -> None:
    call = await house.call(seats=1)
    applied = await house.seed(call, ("SE", 28), ("SE", 26), ("SE", 24))
    await house.select(call, applied)

    await house.coordinator.post(f"/calls/{call['call_id']}/extension", {"seats": 2, "reason": "Room."})

    assert (await house.seats(call))["offers_open"] == 2


async def test_an_unanswered_offer_expires_by_itself_and_its_seat_goes_on(house: Any) -> None:
    call = await house.call(seats=1)
    late, waiting = applied = await house.seed(call, ("SE", 28), ("SE", 20))
    await house.select(call, applied, seconds=1)

    async def promoted() -> bool:
        await house.find_offers(call, applied)
        return bool(waiting.offer)

    await eventually(promoted)
    refused = await house.accept(late)
    declined = await late.person.post(f"/offers/{late.offer['offer_id']}/refusal", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "offer_expired")
    assert (declined.status_code, declined.json()["code"]) == (409, "offer_expired")
    assert late.offer["state"] == "expired"

    async def told() -> bool:
        return any(event.data["offer_id"] == late.offer["offer_id"] for event in await house.bus.published(SeatExpired))

    await eventually(told)


async def test_answers_that_come_too_late_are_refused(house: Any) -> None:
    call = await house.call(seats=2)
    taken, declined = applied = await house.seed(call, ("SE", 28), ("SE", 20))
    await house.select(call, applied)
    await house.accept(taken)
    await declined.person.post(f"/offers/{declined.offer['offer_id']}/refusal", {})

    accepted_after = await house.accept(declined)
    refused_after = await taken.person.post(f"/offers/{taken.offer['offer_id']}/refusal", {})
    refused_again = await declined.person.post(f"/offers/{declined.offer['offer_id']}/refusal", {})

    assert (accepted_after.status_code, accepted_after.json()["code"]) == (409, "offer_declined")
    assert (refused_after.status_code, refused_after.json()["code"]) == (409, "offer_accepted")
    assert (refused_again.status_code, refused_again.json()["state"]) == (200, "declined")


async def test_an_offer_belongs_to_its_applicant(house: Any) -> None:
    call = await house.call(seats=2)
    mine, other = applied = await house.seed(call, ("SE", 28), ("SE", 20))
    await house.select(call, applied)
    offer_id = mine.offer["offer_id"]

    seen = [
        await other.person.get(f"/offers/{offer_id}"),
        await other.person.post(f"/offers/{offer_id}/acceptance"),
        await other.person.post(f"/offers/{offer_id}/refusal", {}),
        await other.person.post("/offers/ofr_00000000000000000000000000/acceptance"),
    ]
    listed = (await mine.person.get("/offers/mine")).json()["items"]

    assert [answer.status_code for answer in seen] == [404] * 4
    assert len({answer.json()["detail"] for answer in seen}) == 1
    assert [offer["offer_id"] for offer in listed] == [offer_id]
    assert (await house.coordinator.get(f"/offers/{offer_id}")).status_code == 200
    assert (await house.seats(call))["seats_taken"] == 0


async def test_an_extension_only_raises_seats(house: Any) -> None:
    call = await house.call(seats=5)

    answers = [
        await house.coordinator.post(f"/calls/{call['call_id']}/extension", {"seats": seats, "reason": "Why not."})
        for seats in (5, 4)
    ]
    unexplained = await house.coordinator.post(f"/calls/{call['call_id']}/extension", {"seats": 6, "reason": " "})

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "seats_not_raised")] * 2
    assert unexplained.status_code == 422
    assert (await house.seats(call))["seats"] == 5
