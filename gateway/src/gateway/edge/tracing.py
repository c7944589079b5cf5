"""Last policy: one server span per request, and the trace context for the service (W3C Trace Context)."""

from __future__ import annotations

import re
from http import HTTPStatus

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
tracer = trace.get_tracer("gateway.edge")
_ids = RandomIdGenerator()


def remote_context(sent: bytes | None) -> Context | None:
    """The caller's trace, or None when it sent none or something else."""
    match = _TRACEPARENT.fullmatch(sent) if sent is not None else None
    if match is None:
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    if not trace_id or not span_id:
        return None
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))
    return trace.set_span_in_context(NonRecordingSpan(context))


def begin(method: str, service: str, path: str, context: Context | None, began_ns: int | None = None) -> Span:
    """The span of a request that begins now, or began at `began_ns` since the epoch; the caller ends it. It has an id even where nothing is traced: problems name it."""
    attributes = {"http.request.method": method, "url.path": path, "cme.upstream": service}
    span = tracer.start_span(
        f"{method} {service}", context or Context(), SpanKind.SERVER, attributes, start_time=began_ns
    )
    if span.get_span_context().is_valid:
        return span
    return NonRecordingSpan(SpanContext(_ids.generate_trace_id(), _ids.generate_span_id(), is_remote=False))


def finish(span: Span, status: int) -> None:
    """End a request's span with its answer."""
    span.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def traceparent(span: Span) -> str:
    """The header for the service."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
