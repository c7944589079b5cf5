"""`/.well-known/api-catalog`: where machines find the APIs of this address and what describes them (RFC 9727)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from cme_kit.auth import Public
from cme_kit.http import ConditionalRequest, Provided, content_etag
from fastapi import APIRouter, Response

from gateway.edge.routes import SANDBOX
from gateway.webhooks.document import asyncapi

#: RFC 9264 section 4.2 with the profile of RFC 9727 section 7.
MEDIA_TYPE = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'
OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
ASYNCAPI = "application/vnd.aai.asyncapi+json;version=3.0.0"
PATH = "/.well-known/api-catalog"
FOR_A_WHILE = "public, max-age=300"
Link = dict[str, str]

router = APIRouter(include_in_schema=False)
Everybody = Annotated[None, Public()]


@dataclass(frozen=True)
class Catalogue:
    """The APIs of an issuer."""

    issuer: str
    has_sandbox: bool

    @cached_property
    def json(self) -> bytes:
        """The linkset (RFC 9264); the relations are those of RFC 8631."""
        apis = [self._api(self.issuer, "The API")]
        apis[0]["status"] = [{"href": f"{self.issuer}/health", "type": "application/json"}]
        if self.has_sandbox:
            apis.append(self._api(self.issuer + SANDBOX, "The sandbox: the same API on made-up data"))
        members = [{"href": str(api["anchor"])} for api in apis]
        linkset = {"linkset": [{"anchor": self.issuer + PATH, "item": members}, *apis]}
        return json.dumps(linkset, ensure_ascii=False, indent=1).encode()

    @cached_property
    def etag(self) -> str:
        """The entity tag of these bytes."""
        return content_etag(self.json)

    @property
    def link(self) -> str:
        """The `Link` of a HEAD request (RFC 9727 section 2)."""
        anchors = [self.issuer, *([self.issuer + SANDBOX] if self.has_sandbox else [])]
        return ", ".join(
            [f'<{self.issuer}{PATH}>; rel="api-catalog"', *(f'<{anchor}>; rel="item"' for anchor in anchors)]
        )

    def _api(self, anchor: str, title: str) -> dict[str, str | list[Link]]:
        path = anchor.removeprefix(self.issuer)
        metadata = f"{self.issuer}/.well-known/oauth-protected-resource{path}"
        return {
            "anchor": anchor,
            "service-desc": [
                {"href": f"{self.issuer}/openapi.json", "type": OPENAPI, "title": title},
                {"href": f"{self.issuer}/asyncapi.json", "type": ASYNCAPI, "title": "Its events"},
            ],
            "service-doc": [{"href": f"{self.issuer}/docs", "type": "text/html"}],
            "service-meta": [
                {"href": metadata, "type": "application/json"},
                {"href": f"{self.issuer}/.well-known/oauth-authorization-server", "type": "application/json"},
            ],
        }


@dataclass(frozen=True)
class EventsDocument:
    """The AsyncAPI document of the events."""

    @cached_property
    def json(self) -> bytes:
        """As compact JSON."""
        return json.dumps(asyncapi(), ensure_ascii=False, separators=(",", ":")).encode()

    @cached_property
    def etag(self) -> str:
        """The entity tag of these bytes."""
        return content_etag(self.json)


@router.api_route(PATH, methods=["GET", "HEAD"])
async def api_catalog(
    held: ConditionalRequest, _: Everybody, catalogue: Annotated[Catalogue, Provided(Catalogue)]
) -> Response:
    """The APIs, their descriptions, their documentation and their health."""
    headers = {
        "ETag": catalogue.etag,
        "Cache-Control": FOR_A_WHILE,
        "Link": catalogue.link,
        "Access-Control-Allow-Origin": "*",
    }
    if held.has(catalogue.etag):
        return Response(status_code=304, headers=headers)
    return Response(catalogue.json, 200, headers, MEDIA_TYPE)


@router.get("/asyncapi.json")
async def events(
    held: ConditionalRequest, _: Everybody, document: Annotated[EventsDocument, Provided(EventsDocument)]
) -> Response:
    """Every event as AsyncAPI 3."""
    headers = {"ETag": document.etag, "Cache-Control": FOR_A_WHILE}
    if held.has(document.etag):
        return Response(status_code=304, headers=headers)
    return Response(document.json, 200, headers, "application/json")
