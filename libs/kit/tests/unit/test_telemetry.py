from cme_kit.telemetry import WithoutPolling
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanKind


def test_a_database_command_is_recorded_within_a_trace_and_begins_none() -> None:
    recorded = InMemorySpanExporter()
    provider = TracerProvider(ParentBased(WithoutPolling()))
    provider.add_span_processor(SimpleSpanProcessor(recorded))
    tracer = provider.get_tracer("test")

    with tracer.start_as_current_span("outbox.find", kind=SpanKind.CLIENT):
        pass
    with (
        tracer.start_as_current_span("POST /applications", kind=SpanKind.SERVER),
        tracer.start_as_current_span("applications.insert", kind=SpanKind.CLIENT),
    ):
        pass

    assert [span.name for span in recorded.get_finished_spans()] == ["applications.insert", "POST /applications"]
