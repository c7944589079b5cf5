import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cme_contracts import CloudEvent, event_type_of
from cme_contracts.enrolment import PersonErased
from cme_kit.clock import SystemClock
from cme_kit.ids import new_event_id
from cme_kit.inbox import Inbox
from cme_kit.subscriptions import Subscriptions, Unreadable, on

ERASED = event_type_of(PersonErased)


class NothingStored:
    """A database whose collections take everything, and an outbox whose transactions simply run."""

    session = None

    def collection(self, _name: str) -> Any:
        return self

    async def insert(self, _row: Any, session: Any) -> None:
        await asyncio.sleep(0)

    async def transaction(self, work: Callable[[Any], Awaitable[None]]) -> None:
        await work(self)


def envelope(**fields: Any) -> CloudEvent:
    known = {
        "id": new_event_id(),
        "source": "/enrolment",
        "type": ERASED.type,
        "subject": "per_1",
        "time": datetime.now(UTC),
        "dataschema": "https://clustereducation.example/schemas/x.json",
        "sequence": 1,
        "data": {"person_id": "per_1"},
    }
    return CloudEvent(**{**known, **fields})


@pytest.mark.parametrize(("serial", "most"), [(True, 1), (False, 30)])
async def test_serial_handlers_run_one_at_a_time(serial: bool, most: int) -> None:
    running = highest = 0

    async def handler(_tx: Any, _event: PersonErased) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.001)
        running -= 1

    stored: Any = NothingStored()
    inbox = Inbox(stored, stored, SystemClock(), Subscriptions([on(PersonErased, handler, serial=serial)]))

    await asyncio.gather(*(inbox.apply(envelope()) for _ in range(30)))

    assert highest == most


async def nothing(_tx: Any, _event: PersonErased) -> None:
    """A handler that is never called."""


@pytest.mark.parametrize(
    ("body", "subject", "why"),
    [
        (b"\xff not json", ERASED.subject, "not a CloudEvent"),
        (b"[]", ERASED.subject, "not a CloudEvent"),
        (envelope(type="com.example.unknown.v1").model_dump_json().encode(), ERASED.subject, "unknown type"),
        (envelope(source="/outreach").model_dump_json().encode(), ERASED.subject, "claimed by /outreach"),
        (envelope().model_dump_json().encode(), "cme.outreach.person.erased.v1", "claimed by"),
    ],
)
def test_what_is_no_event_of_its_source_is_refused(body: bytes, subject: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        Subscriptions([on(PersonErased, nothing)]).open(body, subject)


def test_a_body_of_another_shape_is_refused() -> None:
    newer = envelope(data={"person": {"id": "per_1"}})

    with pytest.raises(Unreadable, match="body does not fit"):
        Subscriptions([on(PersonErased, nothing)]).event_in(newer)
