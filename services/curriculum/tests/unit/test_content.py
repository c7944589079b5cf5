"""The rules of a programme's content."""

from collections.abc import Callable
from typing import Any

import pytest
from curriculum.profiles.domain import Area, area_faults
from curriculum.profiles.repository import load_skills
from curriculum.programmes.domain import Content, content_faults, content_hash, renewed
from hypothesis import given
from hypothesis import strategies as st

AREAS = {"governance", "strategy"}
SKILLS = load_skills()


def changed(content: Content, change: Callable[[dict[str, Any]], None]) -> Content:
    body = content.model_dump()
    change(body)
    return Content.model_validate(body)


def test_a_sound_content_has_no_faults(content: Content) -> None:
    assert content_faults(content, AREAS, SKILLS) == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        (lambda c: c.update(points=11), "body.points", "points_do_not_add_up"),
        (lambda c: c["units"][1].update(code="M1"), "body.units.1.code", "repeated"),
        (lambda c: c["units"][0].update(module=3), "body.units.1.module", "out_of_order"),
        (lambda c: c["units"][0]["outcomes"][0].update(code="M2-K1"), "body.units.0.outcomes.0.code", "repeated"),
        (lambda c: c["units"][1]["outcomes"][2].update(area="sales"), "body.units.1.outcomes.2.area", "unknown_area"),
        (
            lambda c: c["units"][0]["outcomes"][1].update(esco_uris=["http://x"]),
            "body.units.0.outcomes.1.esco_uris.0",
            "unknown_skill",
        ),
        (
            lambda c: [outcome.update(required=False) for outcome in c["units"][0]["outcomes"]],
            "body.units.0.outcomes",
            "nothing_required",
        ),
    ],
)
def test_each_broken_rule_is_named_at_its_place(
    content: Content, change: Callable[[dict[str, Any]], None], field: str, code: str
) -> None:
    faults = content_faults(changed(content, change), AREAS, SKILLS)

    assert (field, code) in [(fault.field, fault.code) for fault in faults]


@given(points=st.lists(st.integers(1, 60), min_size=1, max_size=6), claimed=st.integers(1, 400))
def test_points_add_up_or_are_refused(points: list[int], claimed: int) -> None:
    units = [
        {
            "unit_id": f"unt_{n}",
            "code": f"M{n}",
            "module": n,
            "title": {"en": "Unit"},
            "host": "Host",
            "points": worth,
            "assessment_method": {"en": "Oral"},
            "criteria": {"en": "Clear"},
            "outcomes": [
                {
                    "outcome_id": f"out_{n}",
                    "code": f"M{n}-K1",
                    "kind": "knowledge",
                    "statement": {"en": "Knows"},
                    "required": True,
                    "area": "governance",
                    "esco_uris": [],
                }
            ],
        }
        for n, worth in enumerate(points, start=1)
    ]
    texts = {"title": {"en": "T"}, "summary": {"en": "S"}, "profile_id": "prf_1", "language": "en", "eqf_level": 6}

    faults = content_faults(Content.model_validate({**texts, "points": claimed, "units": units}), AREAS, SKILLS)

    assert bool(faults) == (sum(points) != claimed)


def test_the_hash_does_not_depend_on_the_order_of_keys_but_on_every_value(content: Content) -> None:
    reordered = Content.model_validate(dict(reversed(content.model_dump().items())))
    other = changed(content, lambda c: c["units"][1]["outcomes"][0]["statement"].update(sv="Kan"))

    assert content_hash(reordered) == content_hash(content)
    assert content_hash(other) != content_hash(content)
    assert len(content_hash(content)) == 64


def test_a_copy_for_the_next_version_has_ids_of_its_own_and_nothing_else_new(content: Content) -> None:
    numbers = iter(range(100))

    copy = renewed(content, lambda prefix: f"{prefix}_{next(numbers)}")

    former = {unit.unit_id for unit in content.units} | {o.outcome_id for unit in content.units for o in unit.outcomes}
    present = {unit.unit_id for unit in copy.units} | {o.outcome_id for unit in copy.units for o in unit.outcomes}
    assert not former & present
    ids = {"units": {"__all__": {"unit_id": True, "outcomes": {"__all__": {"outcome_id"}}}}}
    assert copy.model_dump(exclude=ids) == content.model_dump(exclude=ids)


def test_a_profile_names_each_area_once_and_only_skills_of_esco() -> None:
    uri = next(iter(SKILLS))
    areas = [
        Area(code="a", title={"en": "A"}, skills=[uri]),
        Area(code="a", title={"en": "B"}, skills=["http://data.europa.eu/esco/skill/none"]),
    ]

    found = [(fault.field, fault.code) for fault in area_faults(areas, SKILLS)]

    assert found == [
        ("body.areas.0.code", "repeated"),
        ("body.areas.1.code", "repeated"),
        ("body.areas.1.skills.0", "unknown_skill"),
    ]
