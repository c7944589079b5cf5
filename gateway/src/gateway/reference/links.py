"""OpenAPI links: which operations the ids in an answer lead to, by the names of fields and path parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Document = dict[str, Any]
_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class _Operation:
    method: str
    path: str
    value: Document

    @cached_property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def service(self) -> str:
        return str(self.value["tags"][0])

    @property
    def needs_revision(self) -> bool:
        return any(parameter["name"] == "If-Match" for parameter in self.value.get("parameters", []))

    def reads_one(self, parameter: str) -> bool:
        return self.method == "get" and self.path.endswith(f"{{{parameter}}}")

    def is_below(self, other: _Operation) -> bool:
        """Whether it is about one record of a collection."""
        return self.path.startswith(f"{other.path}/{{")


@dataclass(frozen=True)
class _Record:
    """What an answer is about, or the first of what it lists."""

    fields: list[str]
    place: str

    @property
    def is_listed(self) -> bool:
        return self.place != ""


def add_links(document: Document, methods: tuple[str, ...]) -> None:
    """Link each answer to the operations on its record, and to those that read what the record refers to.

    From a page of a list only reading operations are linked: what may be done with a record, its own answer says.
    """
    operations = [
        _Operation(method, path, item[method])
        for path, item in document["paths"].items()
        for method in methods
        if method in item
    ]
    targets = [operation for operation in operations if operation.parameters]
    readers: dict[str, set[str]] = {}
    for target in targets:
        if target.reads_one(target.parameters[-1]):
            readers.setdefault(target.parameters[-1], set()).add(target.service)
    for source in operations:
        for answer in (answer for status, answer in source.value["responses"].items() if status.startswith("2")):
            record = _record(document, answer)
            found = dict(_links(source, answer, record, targets, readers))
            if found:
                answer["links"] = found


def _links(
    source: _Operation, answer: Document, record: _Record, targets: list[_Operation], readers: dict[str, set[str]]
) -> Iterator[tuple[str, Document]]:
    own = next((name for name in record.fields if name.endswith("_id")), None)
    for target in targets:
        last = target.parameters[-1]
        if target is source or last not in record.fields:
            continue
        same = target.service == source.service
        if same and (last == own or target.is_below(source)):
            wanted = target.method == "get" or not record.is_listed
        else:
            # Two services may mean different things by one name, such as a review.
            known_thing = last.endswith("_id") and (same or len(readers.get(last, ())) <= 1)
            wanted = known_thing and target.method == "get" and (target.reads_one(last) or last == own)
        parameters = _resolved_parameters(source, answer, record, target) if wanted else None
        if parameters is not None:
            operation_id = target.value["operationId"]
            yield operation_id, {"operationId": operation_id, "parameters": parameters}


def _resolved_parameters(
    source: _Operation, answer: Document, record: _Record, target: _Operation
) -> dict[str, str] | None:
    """Where each parameter of the target is found; None when one is not."""
    known = {name: f"$request.path.{name}" for name in target.parameters if name in source.parameters}
    known |= {name: f"$response.body#{record.place}/{name}" for name in target.parameters if name in record.fields}
    if set(known) != set(target.parameters):
        return None
    if target.needs_revision:
        if "ETag" not in answer.get("headers", {}):
            return None
        known["If-Match"] = "$response.header.ETag"
    return known


def _record(document: Document, answer: Document) -> _Record:
    schema = _resolved(document, answer.get("content", {}).get("application/json", {}).get("schema", {}))
    fields = schema.get("properties", {})
    listed = next((name for name in ("items", "changes") if fields.get(name, {}).get("type") == "array"), None)
    if listed is not None:
        return _Record(_fields(_resolved(document, fields[listed].get("items", {}))), f"/{listed}/0")
    return _Record(_fields(schema), "")


def _fields(schema: Document) -> list[str]:
    """The names of fields, as far as possible in the order of their declaration; committed documents sort properties."""
    return list(dict.fromkeys((*schema.get("required", []), *schema.get("properties", {}))))


def _resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["schemas"][name] if name else schema
    return found
