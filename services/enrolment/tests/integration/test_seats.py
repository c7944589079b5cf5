"""The seats of a cohort: never more learners than seats, whoever answers when."""

import asyncio
import time
from typing import Any

import pytest
from cme_contracts.enrolment import LearnerEnrolled, SeatDeclined, SeatExpired
from cme_kit.testing import eventually

BOTH_DRIVERS = pytest.mark.parametrize("driver", ["motor", "pymongo"])


@BOTH_DRIVERS
async def test_fifty_concurrent_acceptances_fill_twenty_seats_exactly(house: Any) -> None:
    call = await house.call(seats=20, over_offer=30)
    applied = [await house.apply(call["call_id"], points=3) for _ in range(50)]
    await house.select(call, applied)

    began = time.monotonic()
    answers = await asyncio.gather(*(house.accept(one) for one in applied))
    seconds = time.monotonic() - began

    print(f"50 acceptances in {seconds:.2f} s")
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [409] * 30
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"seats_taken"}
    assert len({answer.json()["enrolment_id"] for answer in answers if answer.status_code == 200}) == 20
    seats = await house.seats(call)
    assert (seats["seats_taken"], seats["offers_open"]) == (20, 30)

    async def enrolled() -> bool:
        return len(await house.bus.published(LearnerEnrolled)) == 20

    await eventually(enrolled)
