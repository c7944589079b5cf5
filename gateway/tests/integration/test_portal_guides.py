"""The guides and the event reference: open to everybody, filled in for who is signed in."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from cme_contracts.documents import event_schema
from gateway.webhooks.offering import OFFERED

from .developers import code, developer

GUIDES = ("call", "events", "catalogue")


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_is_open_to_everybody(gateway: Any, guide: str) -> None:
    page = gateway.http.get(f"/portal/guides/{guide}")

    assert page.status_code == 200
    assert "The sandbox. When you are signed in" in page.text
    assert any(f"{gateway.url}/sandbox" in block for block in code(page)) or guide == "events"
    assert "@@" not in page.text


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_is_filled_in_for_the_readers_application(gateway: Any, guide: str) -> None:
    someone = developer(gateway)
    first, second = someone.credentials()[0], someone.credentials()[0]

    page = someone.get(f"/portal/guides/{guide}", application=second)

    assert first in page.text  # to choose from
    assert f'value="{second}" selected' in page.text
    if guide != "catalogue":
        assert any(second in block for block in code(page))
        assert not any(first in block for block in code(page))


def test_anothers_application_is_not_filled_in(gateway: Any) -> None:
    client_id, _ = developer(gateway).credentials()

    page = developer(gateway).get("/portal/guides/call", application=client_id)

    assert page.status_code == 200
    assert not any(client_id in block for block in code(page))
    assert f'value="{client_id}"' not in page.text


def test_there_is_no_other_guide(gateway: Any) -> None:
    assert gateway.http.get("/portal/guides/none").status_code == 404


def test_every_event_has_its_description_and_a_sample_that_fits_its_schema(gateway: Any) -> None:
    page = gateway.http.get("/docs/events")

    samples = {event["type"]: event for event in map(json.loads, code(page))}
    assert samples.keys() == OFFERED.keys()
    for type_, offer in OFFERED.items():
        assert f'id="{type_.removeprefix("com.clustereducation.")}"' in page.text
        jsonschema.validate(samples[type_]["data"], event_schema(offer.event_type))
    assert "approved.home_organisation_id" not in page.text
    assert "assessed.institution_id" in page.text  # a field of a field


def test_the_reference_leads_to_the_portal_and_to_the_events(gateway: Any) -> None:
    page = gateway.http.get("/docs").text

    for target in ("/portal", "/portal/guides", "/docs/events"):
        assert f'href="{target}"' in page
        assert gateway.http.get(target).status_code in (200, 303)
