import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cme_contracts.enrolment import PersonErased
from cme_kit.clock import SystemClock
from cme_kit.consumers import CONCURRENCY, Consumers, on


class NothingStored:
    """A database whose collections take everything, and an outbox whose transactions simply run."""

    session = None

    def collection(self, _name: str) -> Any:
        return self

    async def insert(self, _row: Any, session: Any) -> None:
        await asyncio.sleep(0)

    async def transaction(self, work: Callable[[Any], Awaitable[None]]) -> None:
        await work(self)


@pytest.mark.parametrize(("serial", "most"), [(True, 1), (False, CONCURRENCY)])
async def test_handlers_run_side_by_side_up_to_a_bound_or_one_at_a_time(serial: bool, most: int) -> None:
    running = highest = 0

    async def handler(_tx: Any, _event: PersonErased) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.001)
        running -= 1

    stored: Any = NothingStored()
    subscription = on(PersonErased, handler, serial=serial)
    consumers = Consumers("outreach", stored, stored, stored, SystemClock(), [subscription])
    event = PersonErased(person_id="per_1")

    await asyncio.gather(*(consumers._apply_once(str(number), event) for number in range(30)))

    assert highest == most
