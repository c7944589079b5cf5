"""The merged document as the reference pages show it: operations with their parameters, bodies and answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from cme_kit.openapi_answers import problem_codes

Document = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
#: How deep nested bodies are listed; what is deeper stands in the document.
DEPTH = 3


@dataclass(frozen=True)
class Field:
    """A parameter or a field of a body."""

    name: str
    place: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    """What an operation may answer."""

    status: str
    description: str
    fields: list[Field]


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    scopes: list[str]
    parameters: list[Field]
    body: list[Field]
    answers: list[Answer]
    curl: str


class Listing:
    """The operations of each service."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._base: str = document["servers"][0]["url"]
        self.services: dict[str, str] = {tag["name"]: tag["description"] for tag in document["tags"]}

    def operations(self, service: str) -> list[Operation]:
        """The operations of a service in the order of their paths."""
        return [
            self._operation(path, method, item[method])
            for path, item in self._document["paths"].items()
            for method in METHODS
            if method in item and service in item[method].get("tags", [])
        ]

    def _operation(self, path: str, method: str, operation: Document) -> Operation:
        scopes = [
            scope for alternative in operation.get("security", []) for named in alternative.values() for scope in named
        ]
        content = operation.get("requestBody", {}).get("content", {})
        media_type = next(iter(content), "")
        body = list(self._fields(content[media_type].get("schema", {}))) if content else []
        return Operation(
            anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
            method=method.upper(),
            path=path,
            summary=operation.get("summary", ""),
            description=operation.get("description", ""),
            scopes=scopes,
            parameters=[self._parameter(parameter) for parameter in operation.get("parameters", [])],
            body=body,
            answers=[self._answer(status, answer) for status, answer in operation.get("responses", {}).items()],
            curl=self._curl(path, method, media_type, private=bool(scopes)),
        )

    def _parameter(self, parameter: Document) -> Field:
        schema = parameter.get("schema", {})
        description = parameter.get("description", schema.get("description", ""))
        return Field(
            parameter["name"], parameter["in"], self._kind(schema), parameter.get("required", False), description
        )

    def _answer(self, status: str, answer: Document) -> Answer:
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        schema: Document = next((content.get("schema", {}) for content in answer.get("content", {}).values()), {})
        # Problem documents are all alike and shown once; what differs is their codes.
        fields = list(self._fields(schema)) if status.startswith("2") else []
        known = int(status) if status.isdigit() else None
        phrase = HTTPStatus(known).phrase if known else ""
        codes = ", ".join(sorted(problem_codes(answer)))
        return Answer(status, codes or answer.get("description") or phrase, fields)

    def _fields(self, schema: Document, prefix: str = "", depth: int = 0) -> Iterator[Field]:
        resolved = self._resolve(schema)
        required = resolved.get("required", [])
        for name, value in resolved.get("properties", {}).items():
            yield Field(prefix + name, "body", self._kind(value), name in required, self._described(value))
            inner = self._resolve(value)
            nested, mark = (inner.get("items", {}), "[].") if inner.get("type") == "array" else (value, ".")
            if depth < DEPTH:
                yield from self._fields(nested, f"{prefix}{name}{mark}", depth + 1)

    def _described(self, schema: Document) -> str:
        return str(schema.get("description") or self._resolve(schema).get("description") or "")

    def _resolve(self, schema: Document) -> Document:
        target = schema
        if "$ref" in target:
            target = self._document["components"]["schemas"][target["$ref"].rpartition("/")[2]]
        choices = [choice for choice in target.get("anyOf", []) if choice.get("type") != "null"]
        return self._resolve(choices[0]) if len(choices) == 1 else target

    def _kind(self, schema: Document) -> str:
        resolved = self._resolve(schema)
        if "enum" in resolved:
            return " | ".join(str(value) for value in resolved["enum"])
        if "const" in resolved:
            return str(resolved["const"])
        if "anyOf" in resolved:
            return " | ".join(self._kind(choice) for choice in resolved["anyOf"])
        kind: Any = resolved.get("type", "any")
        if kind == "array":
            return f"list of {self._kind(resolved.get('items', {}))}"
        return f"{kind} ({resolved['format']})" if "format" in resolved else str(kind)

    def _curl(self, path: str, method: str, media_type: str, *, private: bool) -> str:
        parts = ["curl"]
        if method != "get":
            parts += ["-X", method.upper()]
        if private:
            parts += ["-H", '"Authorization: Bearer $TOKEN"']
        if media_type:
            parts += ["-H", shlex.quote(f"Content-Type: {media_type}"), "--data-binary", "@body"]
        return " ".join([*parts, shlex.quote(self._base + path)])
