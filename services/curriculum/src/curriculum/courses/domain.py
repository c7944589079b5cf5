"""Choosing from the catalogue: facets with counts, search, and how an offering stands today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from curriculum.catalogue.domain import Course
from curriculum.offerings.domain import Mode, Offering

#: From August on it is autumn for those who plan a school year.
AUTUMN = 8
OPEN = "open"
PROGRAMME, UNIT = "programme", "unit"


class Standing(StrEnum):
    """How an offering stands today."""

    OPEN = "open"
    CLOSED = "closed"
    RUNNING = "running"
    OVER = "over"


def standing(offering: Offering, now: datetime) -> Standing:
    """Whether one can apply, has to wait, is too late, or it is over."""
    if offering.ends_on < now.date():
        return Standing.OVER
    if now <= offering.application_deadline:
        return Standing.OPEN
    return Standing.RUNNING if offering.starts_on <= now.date() else Standing.CLOSED


def next_offering(course: Course, now: datetime) -> Offering | None:
    """The offering that a visitor wants to see first: open, else running, else to come, else the latest."""
    for wanted in (Standing.OPEN, Standing.RUNNING, Standing.CLOSED):
        for offering in course.offerings:
            if standing(offering, now) is wanted:
                return offering
    return course.offerings[-1] if course.offerings else None


def term(day: date) -> str:
    """The half-year of a day, such as 2026-autumn."""
    return f"{day.year}-{'autumn' if day.month >= AUTUMN else 'spring'}"


def kind_of(course: Course) -> str:
    """A whole programme, or a single unit."""
    return PROGRAMME if len(course.units) > 1 else UNIT


def countries_of(course: Course) -> set[str]:
    """The countries where its sessions are held."""
    return {session.place.country for o in course.offerings for session in o.sessions if session.place}


def modes_of(offering: Offering) -> set[Mode]:
    """How its sessions are held."""
    return {session.mode for session in offering.sessions}


def _starts(course: Course, now: datetime) -> set[str]:
    terms = {term(offering.starts_on) for offering in course.offerings}
    is_open = any(standing(offering, now) is Standing.OPEN for offering in course.offerings)
    return terms | {OPEN} if is_open else terms


def _languages(course: Course) -> set[str]:
    return {course.language} | {offering.language for offering in course.offerings}


@dataclass(frozen=True)
class Choice:
    """One option of a facet."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """A group of options, each with how many courses it would leave."""

    name: str
    choices: list[Choice]


@dataclass(frozen=True)
class Selection:
    """The courses that fit, and the facets as they stand."""

    courses: list[Course]
    facets: list[Facet]
    chosen: int


def mentions(course: Course, words: str) -> bool:
    """Whether every word stands somewhere in the course's texts, in any language."""
    texts = [*course.title.values(), *course.summary.values()]
    for unit in course.units:
        texts += [unit.host, *unit.title.values()]
    haystack = " ".join(texts).casefold()
    return all(word in haystack for word in words.casefold().split())


def select(courses: Sequence[Course], words: str, wanted: Mapping[str, Sequence[str]], now: datetime) -> Selection:
    """The courses with all the words that have one of the chosen values in every facet.

    The count beside an option says how many courses it would give with the other facets as they are chosen.
    """
    values: dict[str, Callable[[Course], set[str]]] = {
        "start": lambda course: _starts(course, now),
        "type": lambda course: {kind_of(course)},
        "country": countries_of,
        "teaching": _languages,
    }
    found = [course for course in courses if mentions(course, words)]

    def fits(course: Course, *, but: str | None = None) -> bool:
        return all(name == but or not wanted.get(name) or values[name](course) & set(wanted[name]) for name in values)

    facets = []
    for name, values_of in values.items():
        options = set().union(*(values_of(course) for course in courses), wanted.get(name, ()))
        others = [course for course in found if fits(course, but=name)]
        # "Open for application" stands first, then the terms in order of time, whatever the alphabet says.
        ordered = sorted(
            options, key=lambda value: (value != OPEN, value.replace("spring", "1").replace("autumn", "2"))
        )
        choices = [
            Choice(value, sum(value in values_of(course) for course in others), value in wanted.get(name, ()))
            for value in ordered
        ]
        facets.append(Facet(name, choices))
    return Selection(
        courses=[course for course in found if fits(course)],
        facets=facets,
        chosen=sum(choice.chosen for facet in facets for choice in facet.choices),
    )
