"""What the kept spans say together: each operation's figures, and what flows between services and engines.

Counted as spans come and taken back as their traces go, so that a page reads a few hundred series, never the spans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self, TypeVar

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cme_local.ops.series import Series, step_of

DATABASE = "mongodb"
BROKER = "nats"
#: The span that the kit opens around a transaction; single commands have none.
TRANSACTION = "transaction"
_SUBJECT = "messaging.destination.name"


class Via(StrEnum):
    """What an edge of the map stands for."""

    CALL = "call"
    EVENT = "event"
    PUBLISH = "publish"
    TRANSACTION = "transaction"


class Operation(NamedTuple):
    """A kind of span: who did what, as which side of it."""

    service: str
    kind: int
    name: str


class Edge(NamedTuple):
    """From whom to whom; `what` is the subject of events and empty for the rest."""

    via: Via
    source: str
    target: str
    what: str = ""


Key = TypeVar("Key", Operation, Edge)


@dataclass(slots=True)
class Kept:
    """A span's bytes, the resource it came from, and where it is counted."""

    operation: Operation
    resource: bytes
    span: bytes
    step: int
    failed: bool
    edge: Edge | None = None
    edge_step: int = 0

    @property
    def service(self) -> str:
        """Whose span it is."""
        return self.operation.service


@dataclass(slots=True)
class Family:
    """The spans of a trace by id, and those whose parent did not come yet by the parent's id."""

    spans: dict[bytes, Kept] = field(default_factory=dict)
    orphans: dict[bytes, list[Kept]] | None = None

    def await_parent(self, parent_id: bytes, child: Kept) -> None:
        """Keep a child for its parent."""
        if self.orphans is None:
            self.orphans = {}
        self.orphans.setdefault(parent_id, []).append(child)

    def take_children(self, parent_id: bytes) -> list[Kept]:
        """The children that waited for a parent. A family that waits for nobody has no table for it."""
        if self.orphans is None:
            return []
        waited = self.orphans.pop(parent_id, [])
        self.orphans = self.orphans or None
        return waited


class Flows:
    """The series of all kept spans."""

    def __init__(self) -> None:
        self.operations: dict[Operation, Series] = {}
        self.edges: dict[Edge, Series] = {}
        # One object for each operation, however many spans are of it.
        self._known: dict[Operation, Operation] = {}

    def keep(self, family: Family, span: Span, service: str, resource: bytes, encoded: bytes) -> Kept:
        """Add a span to its trace and count it; parent and child may come in any order."""
        operation = Operation(service, span.kind, span.name)
        operation = self._known.setdefault(operation, operation)
        failed = span.status.code == Status.STATUS_CODE_ERROR
        kept = Kept(operation, resource, encoded, step_of(span.end_time_unix_nano - span.start_time_unix_nano), failed)
        family.spans[span.span_id] = kept
        _series(self.operations, operation).add(kept.step, failed)
        if engine := _engine_edge(span, service):
            self._count(kept, engine, kept.step)
        elif span.parent_span_id:
            parent = family.spans.get(span.parent_span_id)
            if parent is None:
                family.await_parent(span.parent_span_id, kept)
            elif parent.operation.service != service:
                self._join(parent, kept)
        for orphan in family.take_children(span.span_id):
            if orphan.operation.service != service:
                self._join(kept, orphan)
        return kept

    @classmethod
    def of(cls, families: Iterable[Family]) -> Self:
        """The flows of some of the traces that others keep: equal spans are counted together, there are few kinds."""
        flows = cls()
        spans = [kept for family in families for kept in family.spans.values()]
        counted = Counter((kept.operation, kept.step, kept.failed) for kept in spans)
        for (operation, step, failed), times in counted.items():
            _series(flows.operations, operation).add(step, failed, times)
        joined = Counter((kept.edge, kept.edge_step, kept.failed) for kept in spans if kept.edge is not None)
        for (edge, step, failed), times in joined.items():
            _series(flows.edges, edge).add(step, failed, times)
        return flows

    def drop(self, family: Family) -> None:
        """Take a trace's spans out of every series."""
        for kept in family.spans.values():
            _take_back(self.operations, kept.operation, kept.step, kept.failed)
            if kept.operation not in self.operations:
                self._known.pop(kept.operation, None)
            if kept.edge is not None:
                _take_back(self.edges, kept.edge, kept.edge_step, kept.failed)

    def _join(self, parent: Kept, child: Kept) -> None:
        source, target = parent.operation.service, child.operation.service
        if child.operation.kind != Span.SPAN_KIND_CONSUMER:
            self._count(child, Edge(Via.CALL, source, target), child.step)
            return
        # What counts for an event is how long after its publish it was applied, the wait on the bus included.
        began, ended = Span.FromString(parent.span), Span.FromString(child.span)
        took = ended.end_time_unix_nano - began.start_time_unix_nano
        self._count(child, Edge(Via.EVENT, source, target, _text(ended, _SUBJECT)), step_of(took))

    def _count(self, kept: Kept, edge: Edge, step: int) -> None:
        kept.edge, kept.edge_step = edge, step
        _series(self.edges, edge).add(step, kept.failed)


def _engine_edge(span: Span, service: str) -> Edge | None:
    if span.kind == Span.SPAN_KIND_PRODUCER:
        return Edge(Via.PUBLISH, service, BROKER)
    if span.name == TRANSACTION:
        return Edge(Via.TRANSACTION, service, DATABASE)
    return None


def _text(span: Span, key: str) -> str:
    return next((a.value.string_value for a in span.attributes if a.key == key), "")


def _series(counted: dict[Key, Series], key: Key) -> Series:
    """The series of a key. Not by `setdefault`, which would make one for each span only to drop it."""
    series = counted.get(key)
    if series is None:
        series = counted[key] = Series()
    return series


def _take_back(counted: dict[Key, Series], key: Key, step: int, failed: bool) -> None:
    series = counted[key]
    series.remove(step, failed)
    if not series.count:
        del counted[key]
