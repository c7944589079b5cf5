"""Facets, search, and how an offering stands."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from curriculum.catalogue.domain import Course, with_offering
from curriculum.courses.domain import Selection, next_offering, select, standing, term
from curriculum.offerings.domain import Offering

MakeCourse = Callable[..., Course]
MakeOffering = Callable[..., Offering]


@pytest.fixture
def courses(make_course: MakeCourse, make_offering: MakeOffering) -> list[Course]:
    programme = with_offering(make_course("cluster-manager"), make_offering())
    units = programme.units[:1]
    single = make_course("leadership", units=units, points=5, title={"en": "Leadership"}, language="sv")
    return [programme, with_offering(single, make_offering(date(2027, 2, 1), language="sv", sessions=[]))]


def counts(selection: Selection, facet: str) -> dict[str, int]:
    return {c.value: c.count for found in selection.facets if found.name == facet for c in found.choices}


def test_without_a_choice_every_course_is_shown_and_counted(courses: list[Course], now: datetime) -> None:
    selection = select(courses, "", {}, now)

    assert [course.slug for course in selection.courses] == ["cluster-manager", "leadership"]
    assert counts(selection, "start") == {"open": 2, "2026-autumn": 1, "2027-spring": 1}
    assert counts(selection, "country") == {"SE": 1}
    assert counts(selection, "teaching") == {"en": 1, "sv": 1}
    assert selection.chosen == 0


def test_a_facet_counts_what_the_other_facets_leave(courses: list[Course], now: datetime) -> None:
    selection = select(courses, "", {"teaching": ["sv"]}, now)

    assert [course.slug for course in selection.courses] == ["leadership"]
    assert counts(selection, "type") == {"programme": 0, "unit": 1}
    assert counts(selection, "teaching") == {"en": 1, "sv": 1}
    assert selection.chosen == 1


def test_two_values_of_a_facet_widen_and_two_facets_narrow(courses: list[Course], now: datetime) -> None:
    both = select(courses, "", {"teaching": ["sv", "en"]}, now)
    none = select(courses, "", {"teaching": ["sv"], "country": ["SE"]}, now)

    assert (len(both.courses), len(none.courses)) == (2, 0)


def test_a_chosen_value_without_courses_stays_visible(courses: list[Course], now: datetime) -> None:
    assert counts(select(courses, "", {"country": ["NO"]}, now), "country") == {"NO": 0, "SE": 1}


@pytest.mark.parametrize(
    ("words", "found"),
    [("klusterijohtaja", 1), ("LEADERSHIP hyper", 2), ("vaasa strategy", 1), ("maritime", 0)],
)
def test_every_word_has_to_occur_in_some_language(courses: list[Course], now: datetime, words: str, found: int) -> None:
    assert len(select(courses, words, {}, now).courses) == found


@pytest.mark.parametrize(
    ("days", "state"),
    [(-61, "open"), (-60, "open"), (-59, "closed"), (0, "running"), (300, "running"), (301, "over")],
)
def test_an_offering_stands_differently_as_time_goes_by(make_offering: MakeOffering, days: int, state: str) -> None:
    moment = datetime(2026, 9, 8, tzinfo=UTC) + timedelta(days=days)

    assert standing(make_offering(), moment) == state


def test_the_open_offering_is_shown_before_the_one_that_runs(
    make_course: MakeCourse, make_offering: MakeOffering, now: datetime
) -> None:
    course: Any = make_course()
    for start in (date(2024, 9, 1), date(2026, 3, 1), date(2026, 9, 8)):
        course = with_offering(course, make_offering(start))

    assert next_offering(course, now).starts_on == date(2026, 9, 8)
    assert next_offering(course, datetime(2028, 1, 1, tzinfo=UTC)).starts_on == date(2026, 9, 8)
    assert next_offering(make_course(), now) is None


@pytest.mark.parametrize(("day", "name"), [(date(2026, 7, 31), "2026-spring"), (date(2026, 8, 1), "2026-autumn")])
def test_a_year_has_two_terms(day: date, name: str) -> None:
    assert term(day) == name
