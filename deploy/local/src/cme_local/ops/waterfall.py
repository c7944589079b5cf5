"""A trace as rows of a waterfall: where each bar lies, how long its work waited on the bus, what was tried again."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cme_local.ops.store import DELIVERY_ATTEMPT

MESSAGE_ID = "messaging.message.id"
# The stylesheet indents three levels; deeper spans stay at the third.
DEEPEST = 3
NARROWEST_BAR = 0.3
MOST_TICKS = 8
# Where durations change their unit or lose their decimal.
FINE_MS, SECOND_MS, MINUTE_MS = 10, 1000, 60_000


@dataclass(frozen=True)
class Gap:
    """Time without work before a bar, in percent of the trace."""

    start: float
    end: float
    kind: str
    words: str


@dataclass(frozen=True)
class Row:
    """One span of the waterfall."""

    span_id: str
    parent_id: str
    service: str
    name: str
    kind: str
    depth: int
    start_ns: int
    end_ns: int
    left: float
    width: float
    failed: bool
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    gap: Gap | None
    #: Whether a span below this one failed, although it did not.
    failed_below: bool
    #: The trace and span that each link leads to.
    links: list[tuple[str, str]]

    @property
    def attempt(self) -> int:
        """Which delivery of a message a process span worked on."""
        attempt = self.attributes.get(DELIVERY_ATTEMPT, 1)
        return attempt if isinstance(attempt, int) else 1

    @property
    def took(self) -> str:
        """How long the span lasted, in words."""
        return duration(self.end_ns - self.start_ns)


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis, in percent."""

    at: float
    text: str


def duration(nanoseconds: int) -> str:
    """A duration with about three figures."""
    ms = nanoseconds / 1e6
    if ms < FINE_MS:
        return f"{ms:.1f} ms"
    if ms < SECOND_MS:
        return f"{ms:.0f} ms"
    if ms < MINUTE_MS:
        return f"{ms / SECOND_MS:.2f} s"
    return f"{ms // MINUTE_MS:.0f} min {ms % MINUTE_MS / SECOND_MS:.0f} s"


def value_of(value: AnyValue) -> Any:
    """An attribute's value as a plain one."""
    match value.WhichOneof("value"):
        case "array_value":
            return [value_of(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: value_of(item.value) for item in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return None
        case name:
            return getattr(value, name)


def attributes_of(holder: Any) -> dict[str, Any]:
    """The attributes of a span or of one of its events."""
    return {attribute.key: value_of(attribute.value) for attribute in holder.attributes}


def is_failed(span: Span) -> bool:
    """Whether the span's status is an error."""
    return bool(span.status.code == Status.STATUS_CODE_ERROR)


def kind_of(span: Span) -> str:
    """The span's kind as a word, such as `producer`."""
    name: str = Span.SpanKind.Name(span.kind)
    return name.removeprefix("SPAN_KIND_").lower()


def ticks(length_ns: int) -> list[Tick]:
    """Four to eight round marks over the trace's length."""
    length = max(length_ns, 1)
    step = 10 ** (len(str(length)) - 1)
    for divisor in (5, 2, 1):
        if length / (step / divisor) <= MOST_TICKS:
            step = step // divisor or 1
            break
    marks = [Tick(round(at / length * 100, 2), duration(at)) for at in range(step, int(length * 0.93), step)]
    return [Tick(0.0, "0"), *marks]


def rows(spans: list[tuple[str, Span]]) -> list[Row]:
    """Depth first, children by start; a span whose parent is not here stands at the top level."""
    if not spans:
        return []
    start = min(span.start_time_unix_nano for _, span in spans)
    length = max(max(span.end_time_unix_nano for _, span in spans) - start, 1)

    def percent(at: int) -> float:
        return round((at - start) / length * 100, 2)

    ids = {span.span_id for _, span in spans}
    children: dict[bytes, list[tuple[str, Span]]] = {}
    for service, span in spans:
        parent = span.parent_span_id if span.parent_span_id in ids else b""
        children.setdefault(parent, []).append((service, span))
    gaps = _Gaps(spans, percent)
    suspects = _above_failures(spans)

    made: list[Row] = []
    # A stack of our own: the depth of a trace is not bounded by what Python recurses.
    waiting = [(0, pair) for pair in reversed(children.get(b"", []))]
    while waiting:
        depth, (service, span) = waiting.pop()
        left = percent(span.start_time_unix_nano)
        made.append(
            Row(
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                service=service,
                name=span.name,
                kind=kind_of(span),
                depth=min(depth, DEEPEST),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                left=min(left, 100 - NARROWEST_BAR),
                width=max(percent(span.end_time_unix_nano) - left, NARROWEST_BAR),
                failed=is_failed(span),
                message=span.status.message,
                attributes=attributes_of(span),
                events=[(event.name, attributes_of(event)) for event in span.events],
                gap=gaps.before(service, span),
                failed_below=span.span_id in suspects and not is_failed(span),
                links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            )
        )
        waiting.extend((depth + 1, pair) for pair in reversed(children.get(span.span_id, [])))
    return made


def _above_failures(spans: list[tuple[str, Span]]) -> set[bytes]:
    """The spans that have a failed one below them."""
    parent_of = {span.span_id: span.parent_span_id for _, span in spans}
    above: set[bytes] = set()
    for _, span in spans:
        parent = span.parent_span_id if is_failed(span) else b""
        while parent in parent_of and parent not in above:
            above.add(parent)
            parent = parent_of[parent]
    return above


class _Gaps:
    """Finds what a process span waited for: its publish, or its previous try."""

    def __init__(self, spans: list[tuple[str, Span]], percent: Any) -> None:
        self._percent = percent
        self._published: dict[str, Span] = {}
        self._tries: dict[tuple[str, str], list[Span]] = {}
        for service, span in spans:
            message = attributes_of(span).get(MESSAGE_ID)
            if not isinstance(message, str) or not message:
                continue
            if span.kind == Span.SPAN_KIND_PRODUCER:
                self._published[message] = span
            elif span.kind == Span.SPAN_KIND_CONSUMER:
                self._tries.setdefault((service, message), []).append(span)

    def before(self, service: str, span: Span) -> Gap | None:
        """The gap before a process span; None for any other span."""
        if span.kind != Span.SPAN_KIND_CONSUMER:
            return None
        attributes = attributes_of(span)
        message = str(attributes.get(MESSAGE_ID, ""))
        began = span.start_time_unix_nano
        earlier = [
            other
            for other in self._tries.get((service, message), [])
            if other.end_time_unix_nano <= began and other is not span
        ]
        attempt = attributes.get(DELIVERY_ATTEMPT, 1)
        if earlier and isinstance(attempt, int) and attempt > 1:
            return self._gap(earlier[-1].end_time_unix_nano, began, "delay", "tried again after")
        published = self._published.get(message)
        if published is None:
            return None
        # The consumer may have begun before the producer saw the acknowledgement.
        left = published.end_time_unix_nano if published.end_time_unix_nano <= began else published.start_time_unix_nano
        return self._gap(left, began, "wait", "waited") if left <= began else None

    def _gap(self, left: int, right: int, kind: str, words: str) -> Gap:
        return Gap(self._percent(left), self._percent(right), kind, f"{words} {duration(right - left)}")
