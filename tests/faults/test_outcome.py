"""The comparison of what was told with what is there."""

import pytest

from .outcome import Row, compare
from .report import BEGIN, END, as_markdown, as_table

SERVICES = ("assessment", "outreach")


def _applied_once(*ids: str) -> dict[str, dict[str, int]]:
    return {service: dict.fromkeys(ids, 1) for service in SERVICES}


def test_what_is_stored_and_applied_once_is_ok() -> None:
    found = compare({"a": "org_1"}, [], [("a", "org_1")], _applied_once("org_1"))

    assert (found.ok, found.lost, found.duplicated) == (["a"], [], [])


def test_an_acknowledged_write_that_is_not_stored_is_lost() -> None:
    found = compare({"a": "org_1"}, [], [], _applied_once())

    assert found.lost == ["a at the service that acknowledged it"]


def test_an_acknowledged_write_stored_under_another_id_is_lost() -> None:
    found = compare({"a": "org_1"}, [], [("a", "org_2")], _applied_once("org_2"))

    assert found.lost == ["a at the service that acknowledged it"]


def test_an_effect_that_is_missing_in_one_service_is_lost() -> None:
    found = compare({"a": "org_1"}, [], [("a", "org_1")], {"assessment": {"org_1": 1}, "outreach": {}})

    assert found.lost == ["a at outreach"]
    assert found.ok == []


def test_an_effect_that_came_twice_is_duplicated() -> None:
    found = compare({"a": "org_1"}, [], [("a", "org_1")], {"assessment": {"org_1": 1}, "outreach": {"org_1": 2}})

    assert found.duplicated == ["a at outreach"]


def test_one_write_stored_twice_is_duplicated() -> None:
    stored = [("a", "org_1"), ("a", "org_2")]

    found = compare({"a": "org_1"}, [], stored, _applied_once("org_1", "org_2"))

    assert found.duplicated == ["a at the service that owns it"]


@pytest.mark.parametrize("stored", [[], [("a", "org_1")]])
def test_a_write_nobody_answered_may_have_happened_or_not(stored: list[tuple[str, str]]) -> None:
    found = compare({}, ["a"], stored, _applied_once("org_1"))

    assert (found.lost, found.duplicated, found.phantom, found.unknown) == ([], [], [], ["a"])


def test_an_unanswered_write_that_happened_has_its_effects_everywhere() -> None:
    found = compare({}, ["a"], [("a", "org_1")], {"assessment": {"org_1": 1}, "outreach": {}})

    assert found.lost == ["a at outreach"]


def test_what_nobody_asked_for_is_a_phantom() -> None:
    found = compare({}, [], [("a", "org_1")], _applied_once("org_1"))

    assert found.phantom == ["a was never asked for"]


def test_a_row_holds_when_nothing_is_wrong_and_a_sabotage_when_it_was_seen() -> None:
    assert Row("x").holds
    assert not Row("x", violations=1).holds
    assert not Row("x", must_fail=True).holds
    assert Row("x", must_fail=True, lost=1).holds


def test_the_page_gets_the_table_between_its_markers() -> None:
    rows = [Row("x", 3, 3), Row("y", not_possible="no loop devices")]

    page = as_markdown(f"before {BEGIN} old {END} after", rows, "./cme faults --seed 1")

    assert page.startswith("before ")
    assert page.endswith(" after")
    assert "| x | 3 | 3 | 0 | 0 | 0 | 0 | 0.0 |" in page
    assert "not possible here: no loop devices" in page
    assert "old" not in page


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- faults"):
        as_markdown("a page", [Row("x")], "./cme faults")


def test_the_terminal_table_says_what_was_wrong_below_its_row() -> None:
    row = Row("x")
    row.violate("answered 500", "answered 500")

    assert as_table([row]).splitlines()[-1] == "    answered 500 (x2)"
