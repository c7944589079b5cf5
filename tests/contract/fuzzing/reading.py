"""Reads a whole platform by its own links, holds each answer against the document, and remembers the ids it saw."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis import APIOperation, BaseSchema

from .callers import Callers

#: Records that are read by each operation, and so many of each list.
ENOUGH = 3


class Reading:
    """A walk from the lists, which need no id, to all that they lead to."""

    def __init__(self, schema: BaseSchema, callers: Callers) -> None:
        operations = [found.ok() for found in schema.get_all_operations()]
        self._reads = {name_of(operation): operation for operation in operations if operation.method == "get"}
        self._callers = callers
        #: What was answered, by operation and parameters.
        self.answers: dict[str, dict[tuple[tuple[str, str], ...], int]] = {name: {} for name in self._reads}
        #: Answers that are not as documented.
        self.failures: list[str] = []
        #: Values of fields by their names.
        self.values: dict[str, set[str]] = {}

    def walk(self) -> None:
        """Read everything."""
        pending = deque((name, dict[str, str]()) for name, one in self._reads.items() if "{" not in one.path)
        while pending:
            name, parameters = pending.popleft()
            known = self.answers[name]
            place = tuple(sorted(parameters.items()))
            # A stream of events has no end.
            if place in known or len(known) == ENOUGH or "text/event-stream" in str(self._responses(name)["200"]):
                continue
            body, known[place] = self._read(name, parameters)
            if body is not None:
                self._remember(body)
                pending.extend(self._followed(name, parameters, body))

    @property
    def unread(self) -> set[str]:
        """Operations that nothing led to, or that answered with no record."""
        return {name for name, answers in self.answers.items() if not {200, 304} & set(answers.values())}

    def _read(self, name: str, parameters: dict[str, str]) -> tuple[Any, int]:
        operation = self._reads[name]
        headers = {"Accept": "application/json, */*"}
        if scopes := scopes_of(operation):
            headers["Authorization"] = f"Bearer {self._callers.token_for(scopes)}"
        case = operation.Case(path_parameters=parameters)
        answer = case.call(headers=headers)
        try:
            case.validate_response(answer)
        except schemathesis.errors.FailureGroup as failures:
            self.failures += [f"{name} {parameters}: {failure}" for failure in failures.exceptions]
        is_json = "json" in answer.headers.get("content-type", [""])[0]
        return (answer.json() if is_json and answer.status_code == 200 else None), answer.status_code

    def _followed(self, name: str, parameters: dict[str, str], body: Any) -> Iterator[tuple[str, dict[str, str]]]:
        for link in self._responses(name)["200"].get("links", {}).values():
            if link["operationId"] not in self._reads:
                continue
            for number in range(ENOUGH):
                values = {key: _evaluated(one, parameters, body, number) for key, one in link["parameters"].items()}
                if None not in values.values():
                    yield link["operationId"], {key: str(value) for key, value in values.items()}

    def _responses(self, name: str) -> dict[str, Any]:
        responses: dict[str, Any] = self._reads[name].definition.raw["responses"]
        return responses

    def _remember(self, body: Any) -> None:
        if isinstance(body, list):
            for item in body:
                self._remember(item)
        elif isinstance(body, dict):
            for name, value in body.items():
                if isinstance(value, str) and value:
                    self.values.setdefault(name, set()).add(value)
                self._remember(value)


def name_of(operation: APIOperation) -> str:
    """The name that links call an operation by."""
    return str(operation.definition.raw["operationId"])


def scopes_of(operation: APIOperation) -> list[str]:
    """The scopes of which one is needed; none for what is public."""
    return [scope for one in operation.definition.raw.get("security", []) for scope in one["oauth2"]]


def _evaluated(expression: str, parameters: dict[str, str], body: Any, number: int) -> Any:
    """A runtime expression of OpenAPI (section 4.8.20.4), for the item of that number where it names the first."""
    if expression.startswith("$request.path."):
        return parameters[expression.removeprefix("$request.path.")]
    found = body
    for step in expression.removeprefix("$response.body#/").split("/"):
        if isinstance(found, list):
            found = found[int(step) + number] if int(step) + number < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found
