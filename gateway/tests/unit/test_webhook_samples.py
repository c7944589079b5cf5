"""What may be asked for as a sample of an event."""

import pytest
from cme_contracts.examples import example_of
from gateway.webhooks.offering import OFFERED
from gateway.webhooks.schemas import TestRequest
from gateway.webhooks.views import event_types
from pydantic import ValidationError

ENROLLED = "com.clustereducation.enrolment.learner.enrolled.v1"


@pytest.mark.parametrize("type_", sorted(OFFERED))
def test_every_event_that_is_offered_can_be_sampled(type_: str) -> None:
    assert TestRequest(type=type_).data == {}


def test_fields_of_the_sample_can_be_set() -> None:
    request = TestRequest(type=ENROLLED, data={"country": "FI", "programme_version": 2})

    sample = example_of(OFFERED[ENROLLED].event_type, changes=request.data)

    assert (sample.data["country"], sample.data["programme_version"], sample.test) == ("FI", 2, True)


def test_who_it_is_about_follows_what_was_set() -> None:
    sample = example_of(OFFERED[ENROLLED].event_type, changes={"enrolment_id": "enr_01kb0000000000000000000009"})

    assert sample.subject == "enr_01kb0000000000000000000009"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"contry": "FI"}, "has no contry"),
        ({"programme_version": "two"}, r"data\.programme_version"),
        ({f"field_{number}": 1 for number in range(51)}, "at most 50"),
    ],
)
def test_what_the_event_cannot_have_is_refused_by_name(data: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TestRequest(type=ENROLLED, data=data)


def test_samples_that_are_shown_are_made_once() -> None:
    assert event_types() is event_types()
    assert [one.type for one in event_types()] == sorted(OFFERED)
    assert not any(one.available for one in event_types())
