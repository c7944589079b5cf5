"""OpenAPI links: which operations the id in an answer leads to, by the names of fields and path parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class _Operation:
    method: str
    path: str
    value: Document

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def needs_revision(self) -> bool:
        return any(parameter["name"] == "If-Match" for parameter in self.value.get("parameters", []))


def add_links(document: Document, methods: tuple[str, ...]) -> None:
    """Link each answer with an id to the operations below that id: a record's own, and from a list the reading ones.

    A record's own id is its first field that ends in `_id`.
    """
    operations = [
        _Operation(method, path, item[method])
        for path, item in document["paths"].items()
        for method in methods
        if method in item
    ]
    by_id: dict[str, list[_Operation]] = {}
    for operation in operations:
        if operation.parameters:
            by_id.setdefault(operation.parameters[-1], []).append(operation)
    for operation in operations:
        for answer in _successes(operation):
            if links := dict(_links(document, operation, answer, by_id)):
                answer["links"] = links


def _links(
    document: Document, source: _Operation, answer: Document, by_id: dict[str, list[_Operation]]
) -> Iterator[tuple[str, Document]]:
    fields, place = _record(document, answer)
    own = next((name for name in fields if name.endswith("_id")), None)
    tag = source.value["tags"]
    for target in by_id.get(own or "", []):
        # From a page of a list one record is read; what may be done with it, its own answer says.
        wanted = target is not source and target.value["tags"] == tag
        if not wanted or (place != "" and (target.method != "get" or len(target.parameters) > 1)):
            continue
        known = {name: f"$response.body#{place}/{name}" for name in target.parameters if name in fields}
        known |= {name: f"$request.path.{name}" for name in target.parameters if name in source.parameters}
        if set(known) != set(target.parameters):
            continue
        if target.needs_revision:
            if "ETag" not in answer.get("headers", {}):
                continue
            known["If-Match"] = "$response.header.ETag"
        operation_id = target.value["operationId"]
        yield operation_id.rpartition(".")[2], {"operationId": operation_id, "parameters": known}


def _record(document: Document, answer: Document) -> tuple[list[str], str]:
    """The fields of the record in an answer, and the pointer to it: of a page, its first record."""
    schema = _resolved(document, answer.get("content", {}).get("application/json", {}).get("schema", {}))
    fields = schema.get("properties", {})
    if "items" in fields and fields["items"].get("type") == "array":
        return list(_resolved(document, fields["items"].get("items", {})).get("properties", {})), "/items/0"
    return list(fields), ""


def _resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["schemas"][name] if name else schema
    return found


def _successes(operation: _Operation) -> Iterator[Document]:
    yield from (answer for status, answer in operation.value["responses"].items() if status.startswith("2"))
