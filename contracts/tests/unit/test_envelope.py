from datetime import UTC, datetime
from typing import Any

import pytest
from cme_contracts import CloudEvent
from cme_contracts.envelope import predecessors_after
from pydantic import ValidationError

FIELDS: dict[str, Any] = {
    "id": "01900000-0000-7000-8000-000000000001",
    "source": "/enrolment",
    "type": "c.v1",
    "subject": "app_1",
    "time": datetime(2026, 1, 1, tzinfo=UTC),
    "dataschema": "https://clustereducation.example/schemas/c.v1.json",
    "sequence": 4,
    "data": {},
}


def test_each_event_carries_the_last_sequence_of_each_type_before_it() -> None:
    second = predecessors_after(None, "b.v1", 1)
    third = predecessors_after(second, "a.v1", 2)
    fourth = predecessors_after(third, "b.v1", 3)

    assert (second, third, fourth) == ("b.v1=1", "a.v1=2 b.v1=1", "a.v1=2 b.v1=3")


def test_a_subscriber_knows_which_of_its_events_comes_before() -> None:
    event = CloudEvent(**FIELDS, predecessors="a.v1=2 b.v1=3")

    assert event.sequence_before({"a.v1"}) == 2
    assert event.sequence_before({"a.v1", "b.v1"}) == 3
    assert event.sequence_before({"c.v1"}) is None
    assert CloudEvent(**FIELDS).sequence_before({"a.v1"}) is None


@pytest.mark.parametrize("text", ["", "a.v1", "a.v1=0", "a.v1=-1", "a.v1=1,b.v1=2", "a.v1=1  b.v1=2", "a=b=1"])
def test_predecessors_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CloudEvent(**FIELDS, predecessors=text)
