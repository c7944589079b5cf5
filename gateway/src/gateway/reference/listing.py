"""The merged document as the reference pages show it: operations with their parameters, bodies and answers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from cme_kit.openapi_answers import problem_codes

from gateway.reference.schemas import Field, Schemas

Document = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


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
        self._schemas = Schemas(document["components"]["schemas"])
        self._base: str = document["servers"][0]["url"]
        self._operations: dict[str, list[Operation]] = {}
        self.services: dict[str, str] = {tag["name"]: tag["description"] for tag in document["tags"]}

    def operations(self, service: str) -> list[Operation]:
        """The operations of one of the services in the order of their paths."""
        if service not in self._operations:
            self._operations[service] = [
                self._operation(path, method, item[method])
                for path, item in self._document["paths"].items()
                for method in METHODS
                if method in item and service in item[method].get("tags", [])
            ]
        return self._operations[service]

    def _operation(self, path: str, method: str, operation: Document) -> Operation:
        scopes = [
            scope for alternative in operation.get("security", []) for named in alternative.values() for scope in named
        ]
        content = operation.get("requestBody", {}).get("content", {})
        media_type = next(iter(content), "")
        body = list(self._schemas.fields(content[media_type].get("schema", {}))) if content else []
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
            parameter["name"],
            parameter["in"],
            self._schemas.kind(schema),
            parameter.get("required", False),
            description,
        )

    def _answer(self, status: str, answer: Document) -> Answer:
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        schema: Document = next((content.get("schema", {}) for content in answer.get("content", {}).values()), {})
        # Problem documents are all alike and shown once; what differs is their codes.
        fields = list(self._schemas.fields(schema)) if status.startswith("2") else []
        known = int(status) if status.isdigit() else None
        phrase = HTTPStatus(known).phrase if known else ""
        codes = ", ".join(sorted(problem_codes(answer)))
        return Answer(status, codes or answer.get("description") or phrase, fields)

    def _curl(self, path: str, method: str, media_type: str, *, private: bool) -> str:
        parts = ["curl"]
        if method != "get":
            parts += ["-X", method.upper()]
        if private:
            parts += ["-H", '"Authorization: Bearer $TOKEN"']
        if media_type:
            parts += ["-H", shlex.quote(f"Content-Type: {media_type}"), "--data-binary", "@body"]
        return " ".join([*parts, shlex.quote(self._base + path)])
