import pytest
from cme_contracts import EventType, all_event_types
from cme_contracts.examples import BODIES, example_of


@pytest.mark.parametrize("kind", all_event_types(), ids=lambda kind: kind.type)
def test_every_event_has_a_sample_with_every_field(kind: EventType) -> None:
    sample = example_of(kind)

    assert BODIES[kind.type] == sample.data
    assert set(sample.data) == set(kind.model.model_fields)
    assert sample.test is True


def test_there_is_no_sample_of_what_is_no_event() -> None:
    assert set(BODIES) == {kind.type for kind in all_event_types()}
