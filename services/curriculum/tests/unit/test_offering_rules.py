"""The rules of an offering."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from curriculum.offerings.domain import Mode, Offering, offering_faults
from curriculum.offerings.schemas import NewOffering

UNITS = {"M1", "M2"}


def with_session(offering: Offering, **changes: Any) -> Offering:
    first = offering.sessions[1].model_copy(update=changes)  # the one on site
    return offering.model_copy(update={"sessions": [first]})


def test_a_sound_offering_has_no_faults(make_offering: Callable[..., Offering]) -> None:
    assert offering_faults(make_offering(), UNITS) == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"unit_code": "M9"}, "body.sessions.0.unit_code", "unknown_unit"),
        ({"ends_at": datetime(2026, 9, 8, 6, tzinfo=UTC)}, "body.sessions.0.ends_at", "before_start"),
        ({"starts_at": datetime(2026, 9, 1, tzinfo=UTC)}, "body.sessions.0.starts_at", "outside_the_offering"),
        ({"ends_at": datetime(2030, 9, 1, tzinfo=UTC)}, "body.sessions.0.starts_at", "outside_the_offering"),
        ({"place": None}, "body.sessions.0.place", "missing"),
        ({"mode": Mode.ONLINE}, "body.sessions.0.place", "not_on_site"),
    ],
)
def test_each_fault_of_a_session_is_named_at_its_place(
    make_offering: Callable[..., Offering], change: dict[str, Any], field: str, code: str
) -> None:
    faults = offering_faults(with_session(make_offering(), **change), UNITS)

    assert (field, code) in [(fault.field, fault.code) for fault in faults]


def test_the_days_of_an_offering_have_an_order(make_offering: Callable[..., Offering]) -> None:
    offering = make_offering(sessions=[], ends_on=date(2026, 1, 1))

    assert {fault.field for fault in offering_faults(offering, UNITS)} == {
        "body.ends_on",
        "body.application_deadline",
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-06-30", datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)),
        ("2026-06-30T23:59:00+03:00", datetime(2026, 6, 30, 20, 59, tzinfo=UTC)),
    ],
)
def test_a_deadline_is_a_moment_or_the_end_of_a_day(
    offering_body: dict[str, Any], written: str, meant: datetime
) -> None:
    offering = NewOffering.model_validate({**offering_body, "application_deadline": written})

    assert offering.application_deadline == meant
