"""The AsyncAPI document of what webhooks tell: complete in itself, and its samples are what it says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from gateway.webhooks.document import asyncapi
from gateway.webhooks.offering import OFFERED
from jsonschema import Draft7Validator

DOCUMENT = asyncapi()


def test_it_has_a_message_for_every_event_that_is_offered() -> None:
    messages = DOCUMENT["components"]["messages"]

    assert {message["name"] for message in messages.values()} == set(OFFERED)
    assert set(DOCUMENT["channels"]["webhook"]["messages"]) == set(messages)
    assert len(DOCUMENT["operations"]["tell"]["messages"]) == len(messages)
    assert {m["name"]: m["x-scope"] for m in messages.values()} == {t: o.scope for t, o in OFFERED.items()}


def test_whatever_it_refers_to_is_in_it() -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)))

    assert references
    for reference in references:
        found: Any = DOCUMENT
        for step in reference.split("/"):
            found = found[step]
    assert '"$ref": "' not in json.dumps(DOCUMENT).replace('"$ref": "#/', "")


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["messages"]))
def test_the_sample_of_a_message_fits_its_payload_and_no_other(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    sample = message["examples"][0]["payload"]
    validator = Draft7Validator({**DOCUMENT, "$ref": f"#/components/messages/{name}/payload"})

    assert list(validator.iter_errors(sample)) == []
    assert list(validator.iter_errors({**sample, "type": "another"}))
    assert list(validator.iter_errors({**sample, "data": {}}))
