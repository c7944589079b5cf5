import json
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from credentials.badges.domain import NAMESPACE, Badge, bake, draw, training_year
from credentials.verification.domain import baked_document


@pytest.mark.parametrize(("module", "lit"), [(0, 20), (1, 5), (4, 5)])
def test_a_module_lights_its_quarter_and_the_programme_all(module: int, lit: int) -> None:
    svg = draw(Badge(module=module, title="Scouting for Innovation", year="2026–27"))

    ring = svg.split('<g class="tick">')[1].split("</g>")[0]
    assert ring.count('class="on"') == lit
    assert ring.count("<path") == 20


def test_titles_are_escaped_and_the_drawing_is_well_formed() -> None:
    svg = draw(Badge(module=2, title='A <script> & "quotes" in a very long title', year="2026–27"))

    root = ET.fromstring(svg)

    assert root.tag.endswith("svg")
    assert "<script>" not in svg


def test_what_is_baked_in_comes_out_again_even_when_it_ends_a_section() -> None:
    credential = {"name": "a ]]> b", "id": "urn:x:1"}

    baked = bake(draw(Badge(module=1, title="One", year="2026–27")), credential)

    element = ET.fromstring(baked).find(f"{{{NAMESPACE}}}credential")
    assert element is not None
    assert json.loads(element.text or "") == json.loads(baked_document(baked) or "") == credential
    assert baked_document("<svg/>") is None


@pytest.mark.parametrize(
    ("day", "year"), [(date(2026, 11, 20), "2026–27"), (date(2027, 7, 31), "2026–27"), (date(1999, 9, 1), "1999–00")]
)
def test_the_training_year_begins_in_august(day: date, year: str) -> None:
    assert training_year(day) == year
