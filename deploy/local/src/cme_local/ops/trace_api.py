"""Traces for tools: the JSON API and the OTLP download."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.ops import otlp, waterfall
from cme_local.ops.pages import HEADERS, problem
from cme_local.ops.store import Trace, TraceStore, as_otlp, spans_of

LONGEST_LIST = 200
LONGEST_MS = 1e12


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to."""

    service: str = ""
    errors: bool = False
    min_ms: float = 0.0
    text: str = ""
    limit: int = 50

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read the query; raises ValueError whose first argument is the parameter, the second what to enter."""
        query = request.query_params
        min_ms = _number(
            query.get("min_ms", "").strip() or "0", "min_ms", "Enter the shortest time in milliseconds, such as 250"
        )
        limit = _number(query.get("limit", "50"), "limit", f"Use a whole number from 1 to {LONGEST_LIST}")
        if not 1 <= limit <= LONGEST_LIST:
            raise ValueError("limit", f"Use a whole number from 1 to {LONGEST_LIST}")
        return cls(
            query.get("service", ""),
            query.get("errors", "") in ("1", "true"),
            min_ms,
            query.get("text", "").strip(),
            int(limit),
        )


def _number(text: str, parameter: str, advice: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(parameter, advice) from None
    if not 0 <= number <= LONGEST_MS:
        raise ValueError(parameter, advice)
    return number


def moment(nanoseconds: int) -> datetime:
    """A Unix time in nanoseconds as UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def _iso(nanoseconds: int) -> str:
    return moment(nanoseconds).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _summary(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "operation": trace.operation,
        "service": trace.service,
        "services": sorted(trace.services),
        "spans": len(trace.spans),
        "errors": trace.errors,
        "redeliveries": trace.redeliveries,
        "start": _iso(trace.start_ns),
        "duration_ms": round(trace.duration_ns / 1e6, 3),
    }


def _full(trace: Trace) -> dict[str, Any]:
    return _summary(trace) | {
        "spans": [
            {
                "span_id": span.span_id.hex(),
                "parent_span_id": span.parent_span_id.hex() or None,
                "service": service,
                "name": span.name,
                "kind": waterfall.kind_of(span),
                "start": _iso(span.start_time_unix_nano),
                "end": _iso(span.end_time_unix_nano),
                "duration_ms": round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6, 3),
                "status": "error" if waterfall.is_failed(span) else "ok",
                "status_message": span.status.message,
                "attributes": waterfall.attributes_of(span),
            }
            for service, span in spans_of(trace)
        ]
    }


def listed(store: TraceStore, filters: Filters) -> list[Trace]:
    """The traces that pass the filters."""
    return store.recent(
        service=filters.service,
        errors_only=filters.errors,
        min_duration_ms=filters.min_ms,
        text=filters.text,
        limit=filters.limit,
    )


def routes(store: TraceStore) -> list[Route]:
    """The JSON API over a trace store."""

    async def count(_: Request) -> Response:
        return JSONResponse({"spans": store.span_count, "traces": len(store), "bytes": store.size})

    async def api_list(request: Request) -> Response:
        try:
            filters = Filters.of(request)
        except ValueError as wrong:
            parameter, advice = wrong.args
            return problem(400, "invalid_parameter", f"{parameter}: {advice}.")
        return JSONResponse({"items": [_summary(trace) for trace in listed(store, filters)]})

    async def api_one(request: Request) -> Response:
        trace = store.get(request.path_params["trace_id"])
        if trace is None:
            return problem(404, "trace_not_found", "No such trace is kept; it may have been the oldest one.")
        return JSONResponse(_full(trace))

    async def download(request: Request) -> Response:
        trace = store.get(request.path_params["trace_id"])
        if trace is None:
            return problem(404, "trace_not_found", "No such trace is kept; it may have been the oldest one.")
        name = f'attachment; filename="trace-{trace.trace_id}.json"'
        return JSONResponse(otlp.to_json(as_otlp(trace)), headers=HEADERS | {"Content-Disposition": name})

    return [
        Route("/api/spans/count", count),
        Route("/api/traces", api_list),
        Route("/api/traces/{trace_id}", api_one),
        Route("/traces/{trace_id}.json", download),
    ]
