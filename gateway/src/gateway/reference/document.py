"""One OpenAPI 3.1 document for the whole API, merged from the services' committed ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from cme_kit.openapi import SECURITY_SCHEME, openapi_of
from fastapi import FastAPI

from gateway.oauth.scopes import SCOPES
from gateway.reference.listing import METHODS, Document, Listing

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
        parts = {**committed(), "gateway": openapi_of(own)}
        return cls(merge(parts, issuer))

    @cached_property
    def listing(self) -> Listing:
        """The operations as the reference pages show them."""
        return Listing(self.document)

    @cached_property
    def json(self) -> bytes:
        """The document as compact JSON."""
        return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()


def merge(parts: dict[str, Document], issuer: str) -> Document:
    """One document; names of components and operations get their service in front, so that none collide."""
    paths: Document = {}
    components: Document = {}
    tags: list[Document] = []
    for service, part in parts.items():
        tags.append({"name": service, "description": part.get("info", {}).get("title", service)})
        renamed = _renamed(part, service)
        for kind, named in renamed.get("components", {}).items():
            if kind != "securitySchemes":
                components.setdefault(kind, {}).update({f"{service}.{name}": value for name, value in named.items()})
        for path, item in renamed.get("paths", {}).items():
            paths[path] = {method: _operation(service, value) for method, value in item.items() if method in METHODS}
    components["securitySchemes"] = {SECURITY_SCHEME: _security(issuer)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cluster Manager Education", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": issuer}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def _operation(service: str, operation: Document) -> Document:
    named = {"operationId": f"{service}.{operation['operationId']}"} if "operationId" in operation else {}
    return {**operation, **named, "tags": [service]}


def _renamed(value: Any, service: str) -> Any:
    if isinstance(value, dict):
        return {
            key: _reference(item, service) if key == "$ref" else _renamed(item, service) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, service) for item in value]
    return value


def _reference(target: Any, service: str) -> Any:
    prefix, separator, name = str(target).rpartition("/")
    return f"{prefix}{separator}{service}.{name}" if str(target).startswith("#/components/") else target


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
