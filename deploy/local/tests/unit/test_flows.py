"""What the trace store counts: operations, ways between services, and back when traces go."""

import pytest
from cme_local.ops import red, service_map
from cme_local.ops.flows import Edge, Operation, Via
from cme_local.ops.red import Side, Sorting
from cme_local.ops.search import Query
from cme_local.ops.series import Series, merged, step_of
from cme_local.ops.store import Limits, TraceStore
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .operators import operator
from .test_trace_store import MS, Clock, add

SUBJECT = "cme.enrolment.learner.enrolled.v1"
ROUTE = "POST /enrolment/v1/learners"


def series(*milliseconds: float, errors: int = 0) -> Series:
    made = Series()
    for number, duration in enumerate(milliseconds):
        made.add(step_of(round(duration * MS)), number < errors)
    return made


def journey(store: TraceStore, trace: int, *, failed: bool = False) -> None:
    """A caller, the gateway, a service, its publish, and who applies the event."""
    add(store, trace, 1, service="gateway", name="POST enrolment", at=(0, 40))
    add(store, trace, 2, service="enrolment", name=ROUTE, parent=1, at=(5, 35))
    add(store, trace, 3, service="enrolment", name="transaction", parent=2, at=(6, 30), kind=Span.SPAN_KIND_INTERNAL)
    published = f"publish {SUBJECT}"
    add(store, trace, 4, service="enrolment", name=published, parent=3, at=(50, 55), kind=Span.SPAN_KIND_PRODUCER)
    consumer = Span.SPAN_KIND_CONSUMER
    name = f"process {SUBJECT}"
    add(store, trace, 5, service="outreach", name=name, parent=4, at=(90, 150), kind=consumer, failed=failed)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99)])
def test_a_percentile_is_within_five_percent(share: float, expected: int) -> None:
    found = series(*range(1, 101)).percentile(share)

    assert found == pytest.approx(expected * MS, rel=0.05)


def test_what_is_taken_back_leaves_nothing() -> None:
    emptied = series(3, 3, 700, errors=1)

    emptied.remove(step_of(3 * MS), True)
    emptied.remove(step_of(3 * MS), False)
    emptied.remove(step_of(700 * MS), False)

    assert emptied == Series()
    assert emptied.percentile(0.5) == 0


def test_series_are_joined_and_taken_apart() -> None:
    whole = merged([series(1, 2, errors=1), series(2, 900)])

    assert whole == series(1, 2, 2, 900, errors=1)
    assert whole.without(series(1, 2, errors=1)) == series(2, 900)


def test_calls_events_and_engines_are_ways_between_nodes() -> None:
    store = TraceStore()

    journey(store, 1)

    found = {
        (flow.via, flow.source, flow.target) for flow in service_map.flows(store.flows.operations, store.flows.edges)
    }
    assert found == {
        (Via.CALL, "callers", "gateway"),
        (Via.CALL, "gateway", "enrolment"),
        (Via.TRANSACTION, "enrolment", "mongodb"),
        (Via.PUBLISH, "enrolment", "nats"),
        (Via.EVENT, "enrolment", "outreach"),
    }


def test_an_event_takes_from_its_publish_to_its_effect() -> None:
    store = TraceStore()

    journey(store, 1)

    (flow,) = (flow for flow in service_map.flows(store.flows.operations, store.flows.edges) if flow.via is Via.EVENT)
    assert flow.series.percentile(0.5) == pytest.approx(100 * MS, rel=0.05)


def test_a_child_that_comes_before_its_parent_is_joined_when_it_comes() -> None:
    early, late = TraceStore(), TraceStore()
    add(early, 1, 1, service="gateway")
    add(early, 1, 2, service="outreach", parent=1)

    add(late, 1, 2, service="outreach", parent=1)
    assert late.flows.edges == {}
    add(late, 1, 1, service="gateway")

    assert late.flows.edges == early.flows.edges == {Edge(Via.CALL, "gateway", "outreach"): series(5)}


def test_an_evicted_trace_is_counted_no_longer() -> None:
    store = TraceStore(Limits(traces=2))
    for number in range(1, 6):
        journey(store, number, failed=True)

    assert store.flows.operations[Operation("outreach", Span.SPAN_KIND_CONSUMER, f"process {SUBJECT}")].count == 2
    for number in range(6, 8):
        add(store, number, 1, service="curriculum")
    assert list(store.flows.operations) == [Operation("curriculum", Span.SPAN_KIND_SERVER, "GET /")]
    assert store.flows.edges == {}
    assert store.services() == ["curriculum"]


def test_a_span_sent_twice_is_counted_once() -> None:
    store = TraceStore()
    journey(store, 1)
    journey(store, 1)

    assert {series.count for series in store.flows.operations.values()} == {1}


def test_a_row_has_rate_errors_and_durations_and_leads_to_its_traces() -> None:
    store = TraceStore()
    for number in range(1, 5):
        journey(store, number, failed=number == 1)

    (row,) = red.rows(store.flows.operations, 60, Side.APPLIED)

    assert (row.service, row.count, row.errors, row.rate, row.error_share) == ("outreach", 4, 1, "4.0/min", "25.0 %")
    assert row.failed_traces == f"/traces?service=outreach&operation=process+{SUBJECT}&errors=1"


def test_rows_stand_in_the_order_that_was_asked_for() -> None:
    operations = {
        Operation("a", Span.SPAN_KIND_SERVER, "often"): series(1, 1, 1),
        Operation("a", Span.SPAN_KIND_SERVER, "slow"): series(900),
        Operation("b", Span.SPAN_KIND_SERVER, "broken"): series(5, 5, errors=1),
        Operation("b", Span.SPAN_KIND_INTERNAL, "inside"): series(5),
    }

    def names(sorting: Sorting) -> list[str]:
        return [row.name for row in red.rows(operations, 1, Side.REQUESTS, sorting=sorting)]

    assert names(Sorting.COUNT) == ["often", "broken", "slow"]
    assert names(Sorting.ERRORS) == ["broken", "often", "slow"]
    assert names(Sorting.SLOWEST) == ["slow", "broken", "often"]
    assert [row.name for row in red.rows(operations, 1, Side.REQUESTS, "b")] == ["broken"]


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0 %"), (0.0004, "under 0.1 %"), (0.0251, "2.5 %"), (1.0, "100.0 %")]
)
def test_a_small_share_is_never_worded_as_none(share: float, words: str) -> None:
    assert red.percent(share) == words


def test_service_operation_and_failure_are_those_of_one_span() -> None:
    store = TraceStore()
    journey(store, 1, failed=True)

    def found(**fields: object) -> int:
        return len(store.recent(Query(**fields)))  # type: ignore[arg-type]

    assert found(service="outreach", operation="process", errors_only=True) == 1
    assert found(service="enrolment", operation="process") == 0
    assert found(service="enrolment", errors_only=True) == 0
    assert found(operation=ROUTE, errors_only=True) == 0


def test_every_line_of_the_map_meets_its_nodes() -> None:
    store = TraceStore()
    journey(store, 1)

    drawing = service_map.draw(service_map.flows(store.flows.operations, store.flows.edges))

    edges = {node.left for node in drawing.nodes} | {node.left + node.width for node in drawing.nodes}
    assert {line.x1 for line in drawing.lines} | {line.x2 for line in drawing.lines} <= edges
    assert all(node.left >= 0 and node.left + node.width <= 100 for node in drawing.nodes)
    assert all(node.top + node.height <= drawing.height for node in drawing.nodes)
    assert [node.name for node in drawing.nodes if node.engine] == ["nats", "mongodb"]


def test_a_window_counts_the_traces_of_its_time_only() -> None:
    clock = Clock()
    store = TraceStore(clock=clock)
    journey(store, 1, failed=True)
    clock.now += 600
    journey(store, 2)

    late, whole = store.window(300), store.window(None)

    assert (late.traces, whole.traces) == (1, 2)
    assert {series.count for series in late.flows.operations.values()} == {1}
    assert {series.count for series in whole.flows.edges.values()} == {2}
    assert sum(series.errors for series in late.flows.operations.values()) == 0
    assert (late.seconds, whole.seconds) == (1.0, 600.0)
    assert TraceStore().window(300).traces == 0


@pytest.mark.parametrize(
    "path",
    [
        "/map",
        "/map?minutes=5",
        "/routes?minutes=60",
        "/map?minutes=-1",
        "/routes",
        "/routes?side=applied",
        "/routes?side=nonsense&sort=nonsense",
    ],
)
async def test_pages_answer_with_nothing_and_with_something(path: str) -> None:
    store = TraceStore()
    journey(store, 1, failed=True)

    empty, full = await operator().get(path), await operator(store).get(path)

    assert empty.status_code == full.status_code == 200
    assert 'class="empty"' in empty.text
    assert "enrolment" in full.text
    assert "style=" not in full.text


async def test_tools_get_the_same_figures() -> None:
    store = TraceStore()
    journey(store, 1, failed=True)
    http = operator(store)

    ways, routes = (await http.get("/api/map")).json()["items"], (await http.get("/api/routes")).json()["items"]

    assert {way["via"] for way in ways} == {"call", "event", "publish", "transaction"}
    (applied,) = (route for route in routes if route["side"] == "applied")
    assert (applied["service"], applied["count"], applied["errors"]) == ("outreach", 1, 1)


async def test_what_a_span_says_is_escaped_on_the_map_and_in_the_routes() -> None:
    store = TraceStore()
    add(store, 1, 1, service="<script>a</script>", name="<script>b</script>")

    for path in ("/map", "/routes"):
        assert "<script>a" not in (page := (await operator(store).get(path)).text)
        assert "<script>b" not in page
