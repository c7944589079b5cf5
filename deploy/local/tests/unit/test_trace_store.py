"""The trace store's caps, filters and waterfall."""

from cme_local.ops import waterfall
from cme_local.ops.search import Query
from cme_local.ops.store import Limits, TraceStore, spans_of
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .operators import operator

MS = 1_000_000
APPLICATION = "app_01jb6x9y2kfq0v8r3m5t7w1z4c"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def add(
    store: TraceStore,
    trace: int,
    span: int,
    *,
    service: str = "gateway",
    name: str = "GET /",
    at: tuple[int, int] = (0, 5),
    parent: int = 0,
    kind: "Span.SpanKind.ValueType" = Span.SPAN_KIND_SERVER,
    failed: bool = False,
    message: str = "",
    attempt: int = 1,
) -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    made = group.scope_spans.add().spans.add(
        trace_id=trace.to_bytes(16, "big"),
        span_id=span.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        kind=kind,
        start_time_unix_nano=at[0] * MS,
        end_time_unix_nano=at[1] * MS,
    )
    if failed:
        made.status.code = Status.STATUS_CODE_ERROR
    if message:
        made.attributes.add(key="messaging.message.id").value.string_value = message
        made.attributes.add(key="messaging.delivery_attempt").value.int_value = attempt
    store.add(request)


def trace_id(number: int) -> str:
    return f"{number:032x}"


def test_the_trace_untouched_for_longest_goes_first() -> None:
    store = TraceStore(Limits(traces=2))
    add(store, 1, 1)
    add(store, 2, 2)
    add(store, 1, 3)

    add(store, 3, 4)

    assert store.get(trace_id(2)) is None
    assert store.get(trace_id(1)) is not None
    assert store.span_count == 3


def test_bytes_are_bounded_and_counted_back() -> None:
    store = TraceStore(Limits(total_bytes=50_000))

    for number in range(1, 500):
        add(store, number, number, name="x" * 100)

    assert store.size <= 50_000
    assert len(store) == store.span_count > 10


def test_a_trace_is_forgotten_after_its_time() -> None:
    clock = Clock()
    store = TraceStore(Limits(age_s=60), clock)
    add(store, 1, 1)

    clock.now += 61

    assert store.get(trace_id(1)) is None
    assert store.size == 0


def test_a_late_span_reopens_its_trace() -> None:
    store = TraceStore()
    add(store, 1, 2, parent=1, service="outreach", at=(50, 60))

    add(store, 1, 1, name="POST /applications", at=(0, 10))

    trace = store.get(trace_id(1))
    assert trace is not None
    assert (trace.operation, trace.service) == ("POST /applications", "gateway")
    assert trace.duration_ns == 60 * MS


def test_a_span_sent_twice_is_kept_once() -> None:
    store = TraceStore()
    add(store, 1, 1)

    add(store, 1, 1)

    assert store.span_count == 1


def test_filters_narrow_the_list_together() -> None:
    store = TraceStore()
    add(store, 1, 1, service="outreach", failed=True, at=(0, 900))
    add(store, 2, 2, service="outreach", at=(0, 900))
    add(store, 3, 3, service="enrolment", failed=True, at=(0, 900))
    add(store, 4, 4, service="outreach", failed=True, at=(0, 2))

    found = store.recent(Query(service="outreach", errors_only=True, min_ms=100))

    assert [trace.trace_id for trace in found] == [trace_id(1)]


def test_text_finds_a_trace_by_id_and_by_what_a_span_says() -> None:
    store = TraceStore()
    add(store, 0xABC << 112, 1, name=f"POST /applications/{APPLICATION}")
    add(store, 2, 2)

    assert len(store.recent(Query(text=APPLICATION))) == 1
    assert len(store.recent(Query(text=trace_id(0xABC << 112)[:8]))) == 1


def test_the_wait_on_the_bus_reaches_from_publish_to_process() -> None:
    store = TraceStore()
    add(store, 1, 1, at=(0, 100))
    add(store, 1, 2, parent=1, at=(10, 20), kind=Span.SPAN_KIND_PRODUCER, message="m")
    add(store, 1, 3, parent=1, at=(50, 60), kind=Span.SPAN_KIND_CONSUMER, message="m", service="outreach", failed=True)
    add(store, 1, 4, parent=1, at=(80, 90), kind=Span.SPAN_KIND_CONSUMER, message="m", service="outreach", attempt=2)
    trace = store.get(trace_id(1))
    assert trace is not None

    rows = {row.span_id: row for row in waterfall.rows(spans_of(trace))}

    waited, again = rows[f"{3:016x}"].gap, rows[f"{4:016x}"].gap
    assert waited is not None
    assert (waited.kind, waited.start, waited.end) == ("wait", 20.0, 50.0)
    assert again is not None
    assert (again.kind, again.start, again.end) == ("delay", 60.0, 80.0)
    assert rows[f"{1:016x}"].gap is None


def test_a_span_whose_parent_is_not_here_stands_at_the_top() -> None:
    store = TraceStore()
    add(store, 1, 2, parent=99)
    trace = store.get(trace_id(1))
    assert trace is not None

    assert [row.depth for row in waterfall.rows(spans_of(trace))] == [0]


async def test_pages_escape_what_a_span_says() -> None:
    store = TraceStore()
    add(store, 1, 1, name="<script>alert(1)</script>", failed=True)
    http = operator(store)

    for path in ("/traces", f"/traces/{trace_id(1)}"):
        page = await http.get(path)

        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'self'")


async def test_a_wrong_filter_is_explained_on_the_page_and_in_the_api() -> None:
    http = operator()

    page, api = await http.get("/traces?min_ms=soon"), await http.get("/api/traces?min_ms=soon")

    assert page.status_code == api.status_code == 400
    assert "<title>Error: " in page.text
    assert api.headers["content-type"] == "application/problem+json"
    assert "such as 250" in api.json()["detail"]


async def test_unknown_traces_answer_404() -> None:
    http = operator()

    assert [(await http.get(path)).status_code for path in ("/traces/ab", "/traces/ab.json", "/api/traces/ab")] == [
        404
    ] * 3
