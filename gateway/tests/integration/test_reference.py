"""The merged document and its pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from gateway.reference.document import ApiDocument
from gateway.reference.listing import Listing


def test_the_document_has_the_gateways_own_paths_and_this_address(gateway: Any) -> None:
    document = gateway.http.get("/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/gateway/v1/clients"]["post"]["security"] == [{"oauth2": ["gateway.clients:write"]}]
    assert document["servers"] == [{"url": gateway.url}]


def test_the_document_is_answered_once_to_those_who_have_it(gateway: Any) -> None:
    etag = gateway.http.get("/openapi.json").headers["etag"]

    assert gateway.http.get("/openapi.json", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("language", "heading"),
    [
        ("en", "API for partners"),
        ("sv", "API för partner"),
        ("fi", "Rajapinta kumppaneille"),
        ("lt", "API partneriams"),
        ("de", "API für Partner"),
    ],
)
def test_the_reference_speaks_five_languages(gateway: Any, language: str, heading: str) -> None:
    page = gateway.http.get("/docs", headers={"Accept-Language": language})

    assert page.headers["content-language"] == language
    assert f"<h1>{heading}</h1>" in page.text


def test_the_reference_shows_each_operation_without_script(gateway: Any) -> None:
    page = gateway.http.get("/docs/gateway")

    assert "POST /gateway/v1/clients" in page.text
    assert "gateway.clients:write" in page.text
    assert "token_endpoint_auth_method" in page.text
    assert re.search(r"curl -X POST .*/gateway/v1/accounts", page.text)
    assert gateway.http.get("/docs/nothing").status_code == 404


def test_the_document_and_its_listing_are_worked_out_once(gateway: Any) -> None:
    document = ApiDocument(gateway.http.get("/openapi.json").json())
    listing = Listing(document.document)

    assert document.etag is document.etag
    assert document.etag == gateway.http.get("/openapi.json").headers["etag"]
    assert listing.operations("gateway") is listing.operations("gateway")
