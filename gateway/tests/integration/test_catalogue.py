"""What a machine that knows only the address finds (RFC 9727, RFC 9264)."""

from __future__ import annotations

from typing import Any

import pytest
from gateway.reference.catalogue import Catalogue, EventsDocument

PATH = "/.well-known/api-catalog"


def test_every_api_leads_to_what_describes_it(another_gateway: Any, echo: Any) -> None:
    gateway = another_gateway(sandbox_upstreams={"curriculum": echo.url})
    answer = gateway.http.get(PATH)

    catalogue, live, sandbox = answer.json()["linkset"]
    assert answer.headers["content-type"].startswith('application/linkset+json; profile="https://www.rfc-editor.org/')
    assert catalogue["anchor"] == gateway.url + PATH
    assert [item["href"] for item in catalogue["item"]] == [live["anchor"], sandbox["anchor"]]
    assert (live["anchor"], sandbox["anchor"]) == (gateway.url, f"{gateway.url}/sandbox")
    links = [link["href"] for api in (live, sandbox) for name in api if name != "anchor" for link in api[name]]
    answers = {link: gateway.http.get(link).status_code for link in set(links) if not link.endswith("/health")}
    assert set(answers.values()) == {200}, answers
    assert live["status"][0]["href"] == f"{gateway.url}/health"


def test_head_names_the_catalogue_and_its_members(gateway: Any) -> None:
    answer = gateway.http.head(PATH)

    assert (answer.status_code, answer.content) == (200, b"")
    members = [f"<{gateway.url}>", f"<{gateway.url}/sandbox>"]
    items = ", ".join(f'{member}; rel="item"' for member in members)
    assert answer.headers["link"] == f'<{gateway.url}{PATH}>; rel="api-catalog", {items}'


def test_without_a_sandbox_there_is_one_api(another_gateway: Any) -> None:
    assert len(another_gateway().http.get(PATH).json()["linkset"]) == 2


def test_the_events_are_described(gateway: Any) -> None:
    answer = gateway.http.get("/asyncapi.json")

    assert answer.json()["asyncapi"] == "3.0.0"
    assert gateway.http.get("/asyncapi.json", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("document", [Catalogue("http://cme.test", True), EventsDocument()])
def test_an_entity_tag_is_worked_out_once(document: Catalogue | EventsDocument) -> None:
    assert document.etag is document.etag
