"""OpenTelemetry and structured logs, set up once per process; the W3C trace context on the bus."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue
from starlette.types import Scope

from cme_kit.settings import DeployableSettings

tracer = trace.get_tracer("cme_kit")
#: Paths that would fill a trace store with nothing to learn from.
UNTRACED = "health/live,health/ready"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def _add_trace_id(_logger: Any, _name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry["trace_id"] = f"{context.trace_id:032x}"
    return entry


def configure_logging(service: str, log_format: str) -> None:
    """Structured lines on standard output with service, level, time and trace id; those of libraries as well."""
    renderer: Any = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    about: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*about, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    of_libraries = logging.StreamHandler(sys.stdout)
    of_libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *about],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries])


class _Described(Resource):
    """What a process says of itself; the exporter looks it up for each span, and the SDK's would be serialised each time."""

    _hashed: int | None = None

    def __hash__(self) -> int:
        if self._hashed is None:
            self._hashed = super().__hash__()
        return self._hashed


@dataclass(frozen=True)
class Tracing:
    """Where the spans of this process go."""

    provider: TracerProvider
    processor: SpanProcessor
    resource: Resource

    def samples(self, parent: SpanContext | None, trace_id: int, name: str) -> bool:
        """Whether to record a span: as its parent was, or as the sampler decides (OTEL_TRACES_SAMPLER)."""
        if parent is not None:
            return parent.trace_flags.sampled
        sampler = self.provider.sampler
        if sampler is DEFAULT_ON:
            return True
        return sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE

    def shutdown(self) -> None:
        """Send what is left and stop."""
        self.provider.shutdown()


def start_tracing(service: str, settings: DeployableSettings) -> Tracing | None:
    """Export spans to the configured receiver, or None when there is none.

    A request, a transaction, a publish and a process have a span each; a database command has none: with the
    instrumentation of PyMongo the pilot year took a fifth more CPU in all processes together (113 s against 94 s).
    """
    if settings.otlp_endpoint is None:
        return None
    made = Resource.create({"service.name": service, "service.namespace": "cme"})
    resource = _Described(made.attributes, made.schema_url)
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces", timeout=5)
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=1_000)
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return Tracing(provider, processor, resource)


def trace_requests(app: FastAPI) -> None:
    """A server span per request, named by its route; no query is in it and no path that is a secret."""
    FastAPIInstrumentor.instrument_app(
        app, excluded_urls=UNTRACED, exclude_spans=["receive", "send"], server_request_hook=_hide_secrets
    )


def _hide_secrets(span: Span, scope: Scope) -> None:
    if not isinstance(span, RecordedSpan):  # nobody records it
        return
    told = span.attributes or {}
    path = shown_path(scope["path"], str(told.get("http.route", "")))
    url = urlsplit(str(told.get("http.url", "")))._replace(path=path, query="").geturl()
    span.set_attributes({"http.target": path, "http.url": url})


def shown_path(path: str, route: str) -> str:
    """A path as logs and traces may show it: of one that carries a token, its template."""
    return route if "{token}" in route else path


def current_traceparent() -> str | None:
    """The W3C `traceparent` of the running span, or None outside a trace."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    traceparent: str | None = None,
    exceptions_fail: bool = True,
) -> AbstractContextManager[Span]:
    """A span that is a child of `traceparent` when given, else of the running span.

    Exceptions mark it failed unless `exceptions_fail` is false: then who uses it says what is a failure.
    """
    context = _remote(traceparent) if traceparent else None
    return trace.use_span(
        tracer.start_span(name, context, kind, attributes),
        end_on_exit=True,
        record_exception=exceptions_fail,
        set_status_on_exception=exceptions_fail,
    )


def _remote(traceparent: str) -> Context | None:
    """The context of a `traceparent` that was written here (Trace Context section 3.2.2); a third of the propagator's time."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def mark_failed(failed: Span, reason: str) -> None:
    """Set a span's status to error without raising."""
    failed.set_status(Status(StatusCode.ERROR, reason))
