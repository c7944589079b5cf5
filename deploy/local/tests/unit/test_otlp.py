"""OTLP/HTTP at the edge of the trace store."""

import gzip
import json

import httpx
import pytest
from cme_local.ops import otlp
from cme_local.ops.store import Limits, TraceStore
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from .operators import operator

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"


def span_json(span_id: str = SPAN_ID, name: str = "GET /courses", trace_id: str = TRACE_ID) -> dict[str, object]:
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "name": name,
        "kind": 2,
        "startTimeUnixNano": "1600000000000000000",
        "endTimeUnixNano": "1600000000005000000",
        "attributes": [{"key": "http.route", "value": {"stringValue": "/courses"}}],
    }


def export_json(*spans: dict[str, object], service: str = "curriculum") -> dict[str, object]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def export_protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "curriculum"
    group.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=bytes.fromhex(SPAN_ID),
        name="GET /courses",
        start_time_unix_nano=1_600_000_000_000_000_000,
        end_time_unix_nano=1_600_000_000_005_000_000,
    )
    return request.SerializeToString()


@pytest.fixture
def store() -> TraceStore:
    return TraceStore(Limits(spans_per_trace=2))


@pytest.fixture
def http(store: TraceStore) -> httpx.AsyncClient:
    return operator(store)


async def test_a_protobuf_export_is_kept_and_answered_in_protobuf(http: httpx.AsyncClient, store: TraceStore) -> None:
    answer = await http.post("/v1/traces", content=export_protobuf(), headers={"Content-Type": otlp.PROTOBUF})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == otlp.PROTOBUF
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    assert store.span_count == 1


async def test_a_json_export_with_hexadecimal_ids_is_the_same_trace(http: httpx.AsyncClient, store: TraceStore) -> None:
    await http.post("/v1/traces", json=export_json(span_json()))

    trace = store.get(TRACE_ID)
    assert trace is not None
    assert trace.operation == "GET /courses"
    assert trace.services == {"curriculum"}


async def test_a_gzip_export_is_inflated(http: httpx.AsyncClient, store: TraceStore) -> None:
    headers = {"Content-Type": otlp.PROTOBUF, "Content-Encoding": "gzip"}

    answer = await http.post("/v1/traces", content=gzip.compress(export_protobuf()), headers=headers)

    assert answer.status_code == 200
    assert store.span_count == 1


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"x", {"Content-Type": otlp.PROTOBUF, "Content-Encoding": "br"}, 415),
        (b"\xff\xff", {"Content-Type": otlp.PROTOBUF}, 400),
        (b"{", {"Content-Type": otlp.JSON}, 400),
        (b'{"resourceSpans": 7}', {"Content-Type": otlp.JSON}, 400),
        (b"[" * 100_000, {"Content-Type": otlp.JSON}, 400),
        (b"not gzip", {"Content-Type": otlp.PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(export_protobuf())[:-9], {"Content-Type": otlp.PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (b"x" * (otlp.MAX_BODY_BYTES + 1), {"Content-Type": otlp.PROTOBUF}, 413),
        (
            gzip.compress(b"\0" * (otlp.MAX_DECODED_BYTES + 1)),
            {"Content-Type": otlp.PROTOBUF, "Content-Encoding": "gzip"},
            413,
        ),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
async def test_what_is_not_an_export_is_refused(
    http: httpx.AsyncClient, store: TraceStore, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await http.post("/v1/traces", content=content, headers=headers)

    assert answer.status_code == status
    assert store.span_count == 0


async def test_spans_over_the_limit_of_a_trace_are_reported_as_rejected(
    http: httpx.AsyncClient, store: TraceStore
) -> None:
    spans = [span_json(span_id=f"{number:016x}") for number in (1, 2, 3)]

    answer = await http.post("/v1/traces", json=export_json(*spans))

    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert store.span_count == 2


async def test_a_span_without_a_valid_trace_id_is_reported_as_rejected(
    http: httpx.AsyncClient, store: TraceStore
) -> None:
    answer = await http.post("/v1/traces", json=export_json(span_json(trace_id="0" * 32), span_json()))

    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert store.span_count == 1


async def test_the_download_can_be_sent_to_another_receiver(http: httpx.AsyncClient) -> None:
    await http.post("/v1/traces", json=export_json(span_json()))
    document = (await http.get(f"/traces/{TRACE_ID}.json")).json()
    other = TraceStore()

    other.add(otlp.decode(json.dumps(document).encode(), otlp.JSON))

    trace = other.get(TRACE_ID)
    assert trace is not None
    assert trace.services == {"curriculum"}
    assert document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == TRACE_ID


async def test_a_foreign_host_name_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/traces", headers={"Host": "rebound.example"})

    assert answer.status_code == 400
