"""One OpenAPI 3.1 document for the whole API, merged from the services' committed ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from cme_contracts.documents import CONTACT, LICENSE
from cme_kit.http import content_etag
from cme_kit.openapi import SECURITY_SCHEME, openapi_of
from cme_kit.openapi_answers import add_headers, add_refusals, inline_answers, share_answers
from fastapi import FastAPI

from gateway.edge import refusals
from gateway.oauth.scopes import SCOPES
from gateway.reference.links import add_links
from gateway.reference.listing import METHODS, Document, Listing

#: The part whose operations the gateway answers itself.
OWN = "gateway"
DESCRIPTION = (
    "REST API of Cluster Manager Education. Times are UTC in ISO 8601, texts for people are maps of languages, "
    "errors are problem documents (RFC 9457). Get a token at /oauth/token."
)


def committed() -> dict[str, Document]:
    """The document of each service by its name."""
    folder = files("cme_contracts") / "openapi"
    if not folder.is_dir():
        return {}
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8")) for entry in found}


@dataclass(frozen=True)
class ApiDocument:
    """The merged document, as data and as the bytes to answer."""

    document: Document

    @classmethod
    def merged(cls, own: FastAPI, issuer: str) -> ApiDocument:
        """All services' documents and the gateway's own."""
        parts = {**committed(), OWN: openapi_of(own)}
        return cls(merge(parts, issuer))

    @cached_property
    def listing(self) -> Listing:
        """The operations as the reference pages show them."""
        return Listing(self.document)

    @cached_property
    def json(self) -> bytes:
        """The document as compact JSON."""
        return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()

    @cached_property
    def etag(self) -> str:
        """The entity tag of these bytes."""
        return content_etag(self.json)


def merge(parts: dict[str, Document], issuer: str) -> Document:
    """One document of all services, with what the edge answers and where ids lead.

    Names of components and operations get their service in front, so that none collide; what every service has alike
    is the kit's and stands once.
    """
    shared = _alike([part["components"].get("schemas", {}) for name, part in parts.items() if name != OWN])
    paths: Document = {}
    schemas: Document = {}
    headers: Document = dict(refusals.HEADERS)
    tags: list[Document] = []
    for service, part in parts.items():
        tags.append({"name": service, "description": part.get("info", {}).get("title", service)})
        names = {
            name: name if value == shared.get(name) else f"{service}.{name}"
            for name, value in part["components"].get("schemas", {}).items()
        }
        renamed = _renamed(part, names)
        inline_answers(renamed)
        for name, value in renamed["components"].get("schemas", {}).items():
            # Generators of clients name types by their titles, which two services may have alike.
            schemas[names[name]] = {**value, "title": "".join(map(_capital, names[name].split(".")))}
        headers.update(renamed["components"].get("headers", {}))
        for path, item in renamed.get("paths", {}).items():
            paths[path] = {method: _operation(service, value) for method, value in item.items() if method in METHODS}
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Cluster Manager Education",
            "version": "1",
            "description": DESCRIPTION,
            "contact": {**CONTACT, "url": f"{issuer}/docs"},
            "license": LICENSE,
        },
        "servers": [{"url": issuer}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": headers,
            "securitySchemes": {SECURITY_SCHEME: _security(issuer)},
        },
    }
    add_links(document, METHODS)
    share_answers(document)
    return document


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _alike(several: list[Document]) -> Document:
    """The named values that all of several documents have, and have alike."""
    first, *others = several or [{}]
    return {name: value for name, value in first.items() if others and all(value == o.get(name) for o in others)}


def _operation(service: str, operation: Document) -> Document:
    """An operation as it is behind the edge."""
    body = "requestBody" in operation
    add_refusals(operation, *refusals.ANY, *(refusals.WITH_BODY if body else ()))
    if service != OWN:
        add_refusals(operation, *refusals.FORWARDED)
        for answer in operation["responses"].values():
            add_headers(answer, *refusals.HEADERS)
    named = {"operationId": f"{service}.{operation['operationId']}"} if "operationId" in operation else {}
    answers = dict(sorted(operation["responses"].items()))
    return {**operation, **named, "tags": [service], "responses": answers}


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The value with its references to schemas following their new names."""
    if isinstance(value, dict):
        return {key: _reference(item, names) if key == "$ref" else _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value


def _reference(target: Any, names: dict[str, str]) -> Any:
    prefix, _, name = str(target).rpartition("/")
    return f"{prefix}/{names[name]}" if prefix == "#/components/schemas" else target


def _security(issuer: str) -> Document:
    scopes = dict(SCOPES)
    token_url = f"{issuer}/oauth/token"
    return {
        "type": "oauth2",
        "flows": {
            "clientCredentials": {"tokenUrl": token_url, "scopes": scopes},
            "authorizationCode": {
                "authorizationUrl": f"{issuer}/oauth/authorize",
                "tokenUrl": token_url,
                "refreshUrl": token_url,
                "scopes": scopes,
            },
        },
    }
