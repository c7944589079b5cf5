"""Finding traces: by what they mention, and by service, operation, duration, outcome and time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1.trace_pb2 import Span

if TYPE_CHECKING:
    from cme_local.ops.store import Trace

#: TypeIDs (`app_01j…`) and the UUIDs of events, wherever they stand in a span: attributes, paths, names.
_IDS = re.compile(
    r"(?<![0-9a-z])(?:[a-z]{2,16}_[0-7][0-9a-hjkmnp-tv-z]{25}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-z])"
)
_HEX = re.compile(r"^[0-9a-f]{1,32}$")


def ids_in(text: str) -> set[str]:
    """The ids that a text mentions."""
    return set(_IDS.findall(text))


def ids_of(span: Span) -> set[str]:
    """The ids that a span mentions in its name and attributes."""
    texts = [span.name]
    for attribute in span.attributes:
        value = attribute.value
        texts.append(value.string_value)
        texts += [item.string_value for item in value.array_value.values]
    return ids_in("\n".join(texts))


def is_id(text: str) -> bool:
    """Whether a text is an id that spans can mention."""
    return _IDS.fullmatch(text) is not None


class IdIndex:
    """Which kept traces mention an id."""

    def __init__(self) -> None:
        self._traces: dict[str, dict[str, None]] = {}

    def add(self, trace_id: str, ids: set[str]) -> None:
        """A trace mentions these ids."""
        for found in ids:
            self._traces.setdefault(found, {})[trace_id] = None

    def remove(self, trace_id: str, ids: set[str]) -> None:
        """A trace is kept no longer."""
        for found in ids:
            mentioning = self._traces[found]
            del mentioning[trace_id]
            if not mentioning:
                del self._traces[found]

    def mentioning(self, wanted: str) -> list[str]:
        """The traces that mention an id, in the order they came to mention it."""
        return list(self._traces.get(wanted, ()))

    def __len__(self) -> int:
        return len(self._traces)


@dataclass(frozen=True)
class Query:
    """What a list of traces is narrowed to; durations in milliseconds, times in Unix nanoseconds."""

    text: str = ""
    service: str = ""
    operation: str = ""
    errors_only: bool = False
    min_ms: float = 0.0
    max_ms: float | None = None
    since_ns: int = 0
    until_ns: int | None = None

    def matches(self, trace: Trace) -> bool:
        """Whether a trace passes all filters but that of an id, which the index answers.

        Service, operation and failure have to be those of one span, as the figures of a route count them.
        """
        return (
            (not self.service or self.service in trace.services)
            and (not self.errors_only or trace.errors > 0)
            and trace.duration_ns >= self.min_ms * 1e6
            and (self.max_ms is None or trace.duration_ns <= self.max_ms * 1e6)
            and trace.end_ns >= self.since_ns
            and (self.until_ns is None or trace.start_ns <= self.until_ns)
            and (not self.operation or any(self.operation in name for name in trace.names))
            and (not self.text or is_id(self.text) or self._names(trace))
            and self._in_one_span(trace)
        )

    def _in_one_span(self, trace: Trace) -> bool:
        if not self.service and not (self.operation and self.errors_only):
            return True
        if not self.operation and not self.errors_only:
            return True
        return any(
            (not self.service or kept.operation.service == self.service)
            and self.operation in kept.operation.name
            and (kept.failed or not self.errors_only)
            for kept in trace.spans.values()
        )

    def _names(self, trace: Trace) -> bool:
        begins = _HEX.match(self.text) is not None and trace.trace_id.startswith(self.text)
        return begins or any(self.text in name for name in trace.names)


def connected(traces: list[Trace], wanted: str) -> dict[str, list[str]]:
    """The other ids that traces mention, by their kind (the TypeID's prefix), in the order they appear; no events' ids."""

    def kinds() -> Iterator[tuple[str, str]]:
        for trace in traces:
            for found in sorted(trace.ids):
                prefix, _, suffix = found.rpartition("_")
                if suffix and prefix and found != wanted:
                    yield prefix, found

    by_kind: dict[str, list[str]] = {}
    for kind, found in dict.fromkeys(kinds()):
        by_kind.setdefault(kind, []).append(found)
    return by_kind
