"""The policy of traces: one server span per request, and the trace context for the service (W3C Trace Context)."""

from __future__ import annotations

import random
import re
import time
from contextlib import AbstractContextManager
from http import HTTPStatus

from cme_kit.problems import ServiceError, problem_response
from cme_kit.telemetry import Tracing
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue
from starlette.responses import Response

_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SCOPE = InstrumentationScope("gateway.edge")
_FAILED = Status(StatusCode.ERROR)
_UNSET = Status(StatusCode.UNSET)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)


class Spans:
    """Makes the spans of requests, a ninth of the cost of the SDK's own (1.9 µs against 16.8 µs).

    The SDK's are safe to change from several threads and bound what is put into them; these are made at once, at the
    end of a request, and go the SDK's way from there.
    """

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing

    @property
    def exports(self) -> bool:
        """Whether anybody receives them."""
        return self._tracing is not None

    def begin(
        self, method: str, service: str, path: str, sent: bytes | None, began_ns: int | None = None
    ) -> RequestSpan:
        """The span of a request, a child of the `traceparent` that was sent when there is one.

        It begins now, or began at `began_ns` since the epoch. It has an id even where nothing is traced: problems name it.
        """
        parent = remote_parent(sent)
        name = f"{method} {service}"
        trace_id = parent.trace_id if parent else random.getrandbits(128)
        sampled = self._tracing is not None and self._tracing.samples(parent, trace_id, name)
        span = RequestSpan(self._tracing if sampled else None, name, trace_id, parent, method, service, path)
        if began_ns is not None:
            span.began_ns = began_ns
        return span


class RequestSpan:
    """One request in a trace."""

    __slots__ = ("_attributes", "_context", "_name", "_parent", "_tracing", "began_ns")

    def __init__(
        self,
        tracing: Tracing | None,
        name: str,
        trace_id: int,
        parent: SpanContext | None,
        method: str,
        service: str,
        path: str,
    ) -> None:
        self._tracing = tracing
        self._name = name
        self._parent = parent
        flags = _SAMPLED if tracing else _NOT_SAMPLED
        self._context = SpanContext(trace_id, random.getrandbits(64), is_remote=False, trace_flags=flags)
        self.began_ns = time.time_ns()
        self._attributes: dict[str, AttributeValue] = {
            "http.request.method": method,
            "url.path": path,
            "cme.upstream": service,
        }

    @property
    def trace_id(self) -> int:
        """128 bits."""
        return self._context.trace_id

    @property
    def traceparent(self) -> str:
        """The header for the service."""
        context = self._context
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def current(self) -> AbstractContextManager[object]:
        """In the block, what is traced or logged belongs to this request."""
        return trace.use_span(NonRecordingSpan(self._context))

    def problem(self, error: ServiceError, headers: dict[str, str]) -> Response:
        """A problem document that names the trace."""
        with self.current():
            return problem_response(error.status, error.code, error.detail, headers=headers, errors=error.errors)

    def end(self, status: int) -> None:
        """The request was answered."""
        if self._tracing is None:
            return
        self._attributes["http.response.status_code"] = status
        span = ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=self._tracing.resource,
            attributes=self._attributes,
            kind=SpanKind.SERVER,
            status=_FAILED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _UNSET,
            start_time=self.began_ns,
            end_time=time.time_ns(),
            instrumentation_scope=_SCOPE,
        )
        self._tracing.processor.on_end(span)


def remote_parent(sent: bytes | None) -> SpanContext | None:
    """The caller's place in a trace, or None when it sent none or something else."""
    match = _TRACEPARENT.fullmatch(sent) if sent is not None else None
    if match is None:
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(match[3], 16)))
