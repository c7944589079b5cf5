"""The traces of a local stack, in memory and within caps.

A span is kept as its protobuf bytes and decoded when somebody looks: a fifth of the memory of Python
objects. What a search needs is noted at intake: names, services, and an index of the ids that spans mention.
"""

import itertools
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from cme_local.ops.flows import Family, Flows, Kept, Operation
from cme_local.ops.search import IdIndex, Matcher, Query, ids_of, is_id

# What the consumers of the stack set on a process span; the first delivery is 1.
DELIVERY_ATTEMPT = "messaging.delivery_attempt"
#: Memory of a span, a trace and a mentioned id beside the span's own bytes, as `cme bench traces` measures it.
SPAN_COST, TRACE_COST, ID_COST = 240, 1_100, 420
TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8


@dataclass(frozen=True)
class Limits:
    """What the store keeps at most; the traces that got no span for longest go first."""

    traces: int = 20_000
    spans_per_trace: int = 2_000
    #: Of memory: what is kept of a span and of a trace beside its bytes is counted too.
    total_bytes: int = 96 * 1024 * 1024
    age_s: float = 24 * 3600.0


@dataclass(slots=True)
class Trace:
    """What a list shows about a trace, and its spans by id."""

    trace_id: str
    came: float
    touched: float
    start_ns: int
    end_ns: int
    operation: str = ""
    service: str = ""
    errors: int = 0
    redeliveries: int = 0
    size: int = 0
    ids: set[str] = field(default_factory=set)
    family: Family = field(default_factory=Family)

    @property
    def spans(self) -> dict[bytes, Kept]:
        """What is kept of each span, by its id."""
        return self.family.spans

    @property
    def services(self) -> set[str]:
        """Whose spans it has."""
        return {kept.operation.service for kept in self.spans.values()}

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True)
class Window:
    """The figures of the traces of a time: how many they are, and how many seconds they cover."""

    flows: Flows
    traces: int
    seconds: float


class TraceStore:
    """Takes spans in any order; a late span re-opens its trace."""

    def __init__(self, limits: Limits = Limits(), clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._ids = IdIndex()
        self._bytes = 0
        self.flows = Flows()
        self.span_count = 0
        #: Grows with every span that is kept: who noted it before knows whether there is news.
        self.revision = 0

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def size(self) -> int:
        """Bytes of memory that the traces take, nearly."""
        return self._bytes

    def add(self, request: ExportTraceServiceRequest) -> tuple[int, str]:
        """Keep the spans of an export; return how many were rejected, and why."""
        rejected, reason = 0, ""
        for resource_spans in request.resource_spans:
            service = next(
                (a.value.string_value for a in resource_spans.resource.attributes if a.key == "service.name"), "unknown"
            )
            resource = resource_spans.resource.SerializeToString()
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    why = self._keep(span, service, resource)
                    if why:
                        rejected, reason = rejected + 1, why
        self._evict()
        return rejected, reason

    def _keep(self, span: Span, service: str, resource: bytes) -> str:
        if not _is_id(span.trace_id, TRACE_ID_BYTES) or not _is_id(span.span_id, SPAN_ID_BYTES):
            return "trace_id or span_id is not valid"
        trace_id = span.trace_id.hex()
        trace = self._traces.get(trace_id)
        if trace is None:
            now = self._clock()
            trace = Trace(trace_id, now, now, span.start_time_unix_nano, span.end_time_unix_nano)
            trace.size = TRACE_COST
            self._bytes += TRACE_COST
            self._traces[trace_id] = trace
        if span.span_id in trace.spans:
            return ""  # An exporter that saw a timeout sends again; the first one is kept.
        if len(trace.spans) >= self._limits.spans_per_trace:
            return f"a trace keeps at most {self._limits.spans_per_trace} spans"
        encoded = span.SerializeToString()
        kept = self.flows.keep(trace.family, span, service, resource, encoded)
        self.span_count += 1
        self.revision += 1
        _summarise(trace, span, kept.operation)
        new_ids = ids_of(span) - trace.ids
        self._ids.add(trace_id, new_ids)
        trace.ids |= new_ids
        grown = len(encoded) + SPAN_COST + len(new_ids) * ID_COST
        trace.size += grown
        self._bytes += grown
        trace.touched = self._clock()
        self._traces.move_to_end(trace_id)
        return ""

    def _evict(self) -> None:
        oldest_allowed = self._clock() - self._limits.age_s
        while self._traces:
            oldest = next(iter(self._traces.values()))
            within = len(self._traces) <= self._limits.traces and self._bytes <= self._limits.total_bytes
            if within and oldest.touched >= oldest_allowed:
                return
            self._traces.popitem(last=False)
            self._ids.remove(oldest.trace_id, oldest.ids)
            self.flows.drop(oldest.family)
            self._bytes -= oldest.size
            self.span_count -= len(oldest.spans)

    def get(self, trace_id: str) -> Trace | None:
        """The trace with that id."""
        self._evict()
        return self._traces.get(trace_id.lower())

    def recent(self, query: Query = Query(), limit: int = 50) -> list[Trace]:
        """Traces by the time of their latest span, newest first, that pass the query."""
        self._evict()
        candidates: Iterable[Trace] = reversed(self._traces.values())
        if is_id(query.text):
            candidates = sorted(self._mentioning(query.text), key=lambda trace: -trace.touched)
        matcher = Matcher(query, self.flows.operations)
        matching = (trace for trace in candidates if matcher.matches(trace))
        return list(itertools.islice(matching, limit))

    def way(self, wanted: str) -> list[Trace]:
        """The traces that mention an id, in the order they began."""
        self._evict()
        return sorted(self._mentioning(wanted), key=lambda trace: trace.start_ns)

    def _mentioning(self, wanted: str) -> list[Trace]:
        return [self._traces[trace_id] for trace_id in self._ids.mentioning(wanted)]

    def services(self) -> list[str]:
        """Every service that a kept trace has a span of."""
        self._evict()
        return sorted({operation.service for operation in self.flows.operations})

    def window(self, seconds: float | None) -> Window:
        """What the traces say together that got a span within so many seconds, or all that are kept.

        All are counted already; for a part of them, the spans of that part are counted now.
        """
        self._evict()
        now = self._clock()
        since = -math.inf if seconds is None else now - seconds
        within = list(itertools.takewhile(lambda trace: trace.touched >= since, reversed(self._traces.values())))
        first = min((trace.came for trace in within), default=now)
        # All that is kept is of a time that may be long ago; the last minutes reach until now.
        until = now if seconds is not None or not within else within[0].touched
        covered = max(1.0, min(until - first, seconds or math.inf))
        flows = self.flows if seconds is None else Flows.of(trace.family for trace in within)
        return Window(flows, len(within), covered)


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _summarise(trace: Trace, span: Span, operation: Operation) -> None:
    begins = not trace.spans or span.start_time_unix_nano < trace.start_ns or not trace.operation
    if not span.parent_span_id or begins:
        trace.operation, trace.service = operation.name, operation.service
    trace.start_ns = min(trace.start_ns, span.start_time_unix_nano)
    trace.end_ns = max(trace.end_ns, span.end_time_unix_nano)
    trace.errors += span.status.code == Status.STATUS_CODE_ERROR
    trace.redeliveries += any(a.key == DELIVERY_ATTEMPT and a.value.int_value > 1 for a in span.attributes)


def spans_of(trace: Trace) -> list[tuple[str, Span]]:
    """The decoded spans with their service, in the order they started."""
    decoded = [(kept.service, Span.FromString(kept.span)) for kept in trace.spans.values()]
    return sorted(decoded, key=lambda pair: pair[1].start_time_unix_nano)


def as_otlp(trace: Trace) -> TracesData:
    """The trace as OTLP data, grouped by resource."""
    data = TracesData()
    by_resource: dict[bytes, list[bytes]] = {}
    for kept in trace.spans.values():
        by_resource.setdefault(kept.resource, []).append(kept.span)
    for resource, spans in by_resource.items():
        group = data.resource_spans.add()
        group.resource.ParseFromString(resource)
        scope = group.scope_spans.add()
        for span in spans:
            scope.spans.add().ParseFromString(span)
    return data
