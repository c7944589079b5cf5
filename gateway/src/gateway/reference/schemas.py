"""JSON Schemas as the reference pages show them: one row for each field, nested ones by their path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
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


class Schemas:
    """Reads schemas that refer to named ones."""

    def __init__(self, named: Mapping[str, Document]) -> None:
        self._named = named

    def fields(self, schema: Document, prefix: str = "", depth: int = 0) -> Iterator[Field]:
        """The fields of a body."""
        resolved = self._resolve(schema)
        required = resolved.get("required", [])
        for name, value in resolved.get("properties", {}).items():
            yield Field(prefix + name, "body", self.kind(value), name in required, self._described(value))
            inner = self._resolve(value)
            nested, mark = (inner.get("items", {}), "[].") if inner.get("type") == "array" else (value, ".")
            if depth < DEPTH:
                yield from self.fields(nested, f"{prefix}{name}{mark}", depth + 1)

    def kind(self, schema: Document) -> str:
        """What a value is, in a few words."""
        resolved = self._resolve(schema)
        if "enum" in resolved:
            return " | ".join(str(value) for value in resolved["enum"])
        if "const" in resolved:
            return str(resolved["const"])
        if "anyOf" in resolved:
            return " | ".join(self.kind(choice) for choice in resolved["anyOf"])
        kind: Any = resolved.get("type", "any")
        if kind == "array":
            return f"list of {self.kind(resolved.get('items', {}))}"
        return f"{kind} ({resolved['format']})" if "format" in resolved else str(kind)

    def _described(self, schema: Document) -> str:
        return str(schema.get("description") or self._resolve(schema).get("description") or "")

    def _resolve(self, schema: Document) -> Document:
        target = schema
        if "$ref" in target:
            target = self._named[target["$ref"].rpartition("/")[2]]
        choices = [choice for choice in target.get("anyOf", []) if choice.get("type") != "null"]
        return self._resolve(choices[0]) if len(choices) == 1 else target
