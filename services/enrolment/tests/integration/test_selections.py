"""The selection: once, complete, explained, and told."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from cme_contracts.enrolment import ApplicationRanked, SeatOffered
from cme_kit.testing import eventually

from .conftest import moment

BOTH_DRIVERS = pytest.mark.parametrize("driver", ["motor", "pymongo"])


@BOTH_DRIVERS
async def test_forty_applications_become_twenty_six_offers_with_seven_from_lithuania(house: Any) -> None:
    quotas = [{"country": "LT", "minimum": 7, "maximum": 7}, {"country": "SE", "minimum": 2, "maximum": 12}]
    call = await house.call(seats=20, over_offer=6, quotas=quotas)
    read = [("LT", 5 + n) for n in range(10)] + [("SE", 10 + n % 20) for n in range(20)] + [("FI", 9)] * 10
    applied = await house.seed(call, *read)

    ranked = await house.select(call, applied)

    offered = Counter(line["country"] for line in ranked if line["decision"] == "offered")
    assert offered == {"LT": 7, "SE": 12, "FI": 7}
    assert [line["rank"] for line in ranked] == list(range(1, 41))
    assert [line["score"] for line in ranked] == sorted((points for _, points in read), reverse=True)
    assert all((line["offer_id"] is not None) == (line["decision"] == "offered") for line in ranked)
    assert all(line["explanation"].startswith(line["decision"].capitalize()) for line in ranked)
    call = await house.seats(call)
    assert (call["state"], call["offers_open"], call["seats_taken"]) == ("selected", 26, 0)

    async def told() -> bool:
        found = [await house.bus.published(kind) for kind in (ApplicationRanked, SeatOffered)]
        return [len(events) for events in found] == [40, 26]

    await eventually(told)


async def test_applicants_read_the_decision_and_why(house: Any) -> None:
    call = await house.call()
    small = {"management_fte": 0.2, "members": 40, "member_types": ["company", "research"]}
    chosen, rejected = await house.apply(call["call_id"], points=5), await house.apply(call["call_id"], cluster=small)

    await house.select(call, [chosen, rejected])
    seen = [
        (await one.person.get(f"/applications/{one.application['application_id']}")).json()
        for one in (chosen, rejected)
    ]

    assert [(one["state"], one["rank"], one["explanation"]) for one in seen] == [
        ("offered", 1, "Offered: rank 1 of 1 with 30 of 30 points."),
        (
            "rejected",
            2,
            "Not eligible: 0.2 full-time equivalents of dedicated management where at least 0.5 are required.",
        ),
    ]


async def test_a_selection_waits_for_the_end_of_the_call_and_for_two_scores_each(house: Any) -> None:
    call = await house.call()
    applied = await house.apply(call["call_id"])
    await house.score(applied.application["application_id"], house.reader(), 3)
    path, body = f"/calls/{call['call_id']}/selection", {"answer_by": moment(hours=1)}

    too_early = await house.coordinator.post(path, body)
    await house.close(call)
    unread = await house.coordinator.post(path, body)
    not_yet = await house.coordinator.get(path)
    await house.score(applied.application["application_id"], house.reader(), 3)
    past = await house.coordinator.post(path, {"answer_by": moment(hours=-1)})
    made = await house.coordinator.post(path, body)
    again = await house.coordinator.post(path, body)

    assert (too_early.status_code, too_early.json()["code"]) == (409, "call_not_closed")
    assert (unread.status_code, unread.json()["code"]) == (409, "scores_missing")
    assert unread.json()["errors"][0]["field"] == applied.application["application_id"]
    assert not_yet.status_code == 404
    assert (past.status_code, past.json()["code"]) == (422, "answer_time_over")
    assert made.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "already_selected")
    assert (await house.coordinator.get(path)).json() == made.json()


async def test_of_two_selections_at_once_one_is_made(house: Any) -> None:
    call = await house.call()
    await house.seed(call, ("SE", 20), ("FI", 10))
    await house.close(call)
    path, body = f"/calls/{call['call_id']}/selection", {"answer_by": moment(hours=1)}

    answers = await asyncio.gather(*(house.coordinator.post(path, body) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert await house.database.collection("offers").count({}) == 2


async def test_a_decided_application_takes_no_score_no_waiver_and_its_call_no_other_window(house: Any) -> None:
    call = await house.call()
    small = {"management_fte": 0.2, "members": 40, "member_types": ["company", "research"]}
    good, rejected = await house.apply(call["call_id"], points=3), await house.apply(call["call_id"], cluster=small)
    await house.select(call, [good])

    score = await house.score(good.application["application_id"], house.reader(), 3)
    waiver = await house.coordinator.post(
        f"/applications/{rejected.application['application_id']}/waiver", {"reason": "Late."}
    )
    window = await house.coordinator.patch(
        f"/calls/{call['call_id']}", {"closes_at": moment(hours=5)}, **{"If-Match": '"3"'}
    )

    assert [answer.json()["code"] for answer in (score, waiver, window)] == [
        "already_decided", "already_decided", "already_selected",
    ]  # fmt: skip
