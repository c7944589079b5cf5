from datetime import UTC, date, datetime
from typing import Any

import pytest
from cme_kit.schemas import CalendarDay, Moment
from pydantic import TypeAdapter, ValidationError


def test_a_moment_is_utc_to_the_millisecond_as_it_will_be_stored() -> None:
    moment = TypeAdapter(Moment).validate_python("2026-11-23T17:42:07.123456+02:00")

    assert moment.isoformat() == "2026-11-23T15:42:07.123000+00:00"


@pytest.mark.parametrize("value", [0, 1.5, "0", "1700000000", "2026-9-1", "2026-09-01T00:00:00Z", True, "2026-02-30"])
def test_a_day_is_written_as_one(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(CalendarDay).validate_python(value)


@pytest.mark.parametrize(
    "value",
    [0, "1700000000", "2026-09-01", "2026-09-01T10:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"],
)
def test_a_moment_is_written_with_its_offset_and_can_be_said_in_utc(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(value)


def test_days_and_moments_as_they_are_written() -> None:
    assert TypeAdapter(CalendarDay).validate_python("2026-09-01") == date(2026, 9, 1)
    assert TypeAdapter(Moment).validate_python("2026-09-01T10:00:00.1239+02:00") == datetime(
        2026, 9, 1, 8, 0, 0, 123000, tzinfo=UTC
    )
