"""Finding traces by the ids they mention, by operation, duration and time."""

import pytest
from cme_local.ops import waterfall
from cme_local.ops.search import Query, connected, ids_in
from cme_local.ops.store import Limits, TraceStore, spans_of

from .operators import operator
from .test_trace_store import add, trace_id

LEARNER = "enr_01jb6x9y2kfq0v8r3m5t7w1z4c"
AWARD = "awd_01jb6x9y2kfq0v8r3m5t7w1z4d"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"/learners/{LEARNER}/credits", {LEARNER}),
        (f"{LEARNER},{AWARD}", {LEARNER, AWARD}),
        ("id 01890a5d-ac96-774b-bcce-b302099a8057.", {"01890a5d-ac96-774b-bcce-b302099a8057"}),
        (f"{LEARNER}x", set()),
        ("enr_short", set()),
    ],
)
def test_ids_are_found_whole(text: str, found: set[str]) -> None:
    assert ids_in(text) == found


def test_a_way_is_every_trace_that_mentions_an_id_in_time_order() -> None:
    store = TraceStore()
    add(store, 1, 1, name=f"PUT /awards/{AWARD}/{LEARNER}", at=(50, 60))
    add(store, 2, 2, name=f"POST /learners/{LEARNER}", at=(10, 20))
    add(store, 3, 3, name="GET /courses", at=(30, 40))

    way = store.way(LEARNER)

    assert [trace.trace_id for trace in way] == [trace_id(2), trace_id(1)]
    assert connected(way, LEARNER) == {"awd": [AWARD]}


def test_an_evicted_trace_is_mentioned_no_longer() -> None:
    store = TraceStore(Limits(traces=1))
    add(store, 1, 1, name=f"POST /learners/{LEARNER}")
    add(store, 2, 2, name=f"GET /awards/{AWARD}")

    assert store.way(LEARNER) == []
    assert len(store.way(AWARD)) == 1


def test_operation_duration_and_time_narrow_the_list() -> None:
    store = TraceStore()
    add(store, 1, 1, name="GET /courses", at=(0, 5))
    add(store, 2, 2, name="POST /calls", at=(1000, 1500))

    def found(**fields: object) -> list[str]:
        return [trace.trace_id for trace in store.recent(Query(**fields))]  # type: ignore[arg-type]

    assert found(operation="calls") == [trace_id(2)]
    assert found(max_ms=100) == [trace_id(1)]
    assert found(min_ms=100) == [trace_id(2)]
    assert found(since_ns=500_000_000) == [trace_id(2)]
    assert found(until_ns=500_000_000) == [trace_id(1)]


def test_what_stands_above_a_failure_is_marked() -> None:
    store = TraceStore()
    add(store, 1, 1, at=(0, 100))
    add(store, 1, 2, parent=1, at=(10, 90))
    add(store, 1, 3, parent=2, at=(20, 80), failed=True)
    add(store, 1, 4, parent=1, at=(10, 20))
    trace = store.get(trace_id(1))
    assert trace is not None

    rows = {row.span_id: row for row in waterfall.rows(spans_of(trace))}

    assert [rows[f"{n:016x}"].failed_below for n in (1, 2, 3, 4)] == [True, True, False, False]


async def test_the_way_page_and_its_api_show_the_same() -> None:
    store = TraceStore()
    add(store, 1, 1, name=f"POST /learners/{LEARNER}/awards/{AWARD}")
    http = operator(store)

    page, api = await http.get("/way", params={"id": LEARNER}), (await http.get(f"/api/ways/{LEARNER}")).json()

    assert page.status_code == 200
    assert f"/way?id={AWARD}" in page.text
    assert trace_id(1) in page.text
    assert [item["trace_id"] for item in api["items"]] == [trace_id(1)]
    assert api["connected"] == {"awd": [AWARD]}


@pytest.mark.parametrize("query", ["since=yesterday", "max_ms=-1", "until=2026-13-01", "limit=0"])
async def test_a_wrong_filter_names_its_field(query: str) -> None:
    http = operator()

    page, api = await http.get(f"/traces?{query}"), await http.get(f"/api/traces?{query}")

    assert page.status_code == api.status_code == 400
    assert api.json()["detail"].startswith(query.partition("=")[0])


async def test_what_is_no_id_is_explained() -> None:
    http = operator()

    page, api = await http.get("/way?id=anna"), await http.get("/api/ways/anna")

    assert page.status_code == api.status_code == 400
    assert "This is not an id" in page.text
