"""Finding traces: by what they mention, and by service, operation, duration, outcome and time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cme_local.ops.flows import Operation

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
    """Which kept traces mention an id. Most ids are mentioned by one trace, which needs no table of its own."""

    def __init__(self) -> None:
        self._traces: dict[str, str | dict[str, None]] = {}

    def add(self, trace_id: str, ids: set[str]) -> None:
        """A trace mentions these ids."""
        for found in ids:
            mentioning = self._traces.setdefault(found, trace_id)
            if isinstance(mentioning, dict):
                mentioning[trace_id] = None
            elif mentioning != trace_id:
                self._traces[found] = {mentioning: None, trace_id: None}

    def remove(self, trace_id: str, ids: set[str]) -> None:
        """A trace is kept no longer."""
        for found in ids:
            mentioning = self._traces[found]
            if isinstance(mentioning, dict):
                del mentioning[trace_id]
                if mentioning:
                    continue
            del self._traces[found]

    def mentioning(self, wanted: str) -> list[str]:
        """The traces that mention an id, in the order they came to mention it."""
        found = self._traces.get(wanted, {})
        return list(found) if isinstance(found, dict) else [found]

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


class Matcher:
    """A query over what is kept just now: it asks the few operations once, and of each trace only whether it has one."""

    def __init__(self, query: Query, operations: Iterable[Operation]) -> None:
        self._query = query
        known = list(operations)
        self._wanted: frozenset[Operation] | None = None
        if query.service or query.operation:
            self._wanted = frozenset(
                one for one in known if query.service in ("", one.service) and query.operation in one.name
            )
        # What an id finds, the index answers.
        self._text = "" if is_id(query.text) else query.text
        self._named = frozenset(one for one in known if self._text and self._text in one.name)

    def matches(self, trace: Trace) -> bool:
        """Whether a trace passes all filters but that of an id.

        Service, operation and failure have to be those of one span, as the figures of a route count them.
        """
        query = self._query
        return (
            (not query.errors_only or trace.errors > 0)
            and trace.duration_ns >= query.min_ms * 1e6
            and (query.max_ms is None or trace.duration_ns <= query.max_ms * 1e6)
            and trace.end_ns >= query.since_ns
            and (query.until_ns is None or trace.start_ns <= query.until_ns)
            and (not self._text or self._says(trace))
            and (self._wanted is None or self._has(trace, self._wanted))
        )

    def _has(self, trace: Trace, wanted: frozenset[Operation]) -> bool:
        errors_only = self._query.errors_only
        return bool(wanted) and any(
            kept.operation in wanted and (kept.failed or not errors_only) for kept in trace.spans.values()
        )

    def _says(self, trace: Trace) -> bool:
        begins = _HEX.match(self._text) is not None and trace.trace_id.startswith(self._text)
        return begins or (bool(self._named) and any(kept.operation in self._named for kept in trace.spans.values()))


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
