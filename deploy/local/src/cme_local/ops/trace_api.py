"""Traces for tools: the JSON API and the OTLP download."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.ops import otlp, waterfall
from cme_local.ops.pages import HEADERS, problem
from cme_local.ops.search import Query, connected, is_id
from cme_local.ops.store import Trace, TraceStore, as_otlp, spans_of

LONGEST_LIST = 200
LONGEST_MS = 1e12


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to, and how long it is."""

    query: Query = field(default_factory=Query)
    limit: int = 50

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read the query; raises ValueError whose first argument is the parameter, the second what to enter."""
        asked = {name: value.strip() for name, value in request.query_params.items()}
        limit = _number(asked.get("limit") or "50", "limit", f"Use a whole number from 1 to {LONGEST_LIST}")
        if not 1 <= limit <= LONGEST_LIST:
            raise ValueError("limit", f"Use a whole number from 1 to {LONGEST_LIST}")
        until = asked.get("until")
        query = Query(
            text=asked.get("text", ""),
            service=asked.get("service", ""),
            operation=asked.get("operation", ""),
            errors_only=asked.get("errors", "") in ("1", "true"),
            min_ms=_milliseconds(asked.get("min_ms") or "0", "min_ms", "shortest"),
            max_ms=_milliseconds(asked["max_ms"], "max_ms", "longest") if asked.get("max_ms") else None,
            since_ns=_time(asked["since"], "since") if asked.get("since") else 0,
            until_ns=_time(until, "until") if until else None,
        )
        return cls(query, int(limit))


def _milliseconds(text: str, parameter: str, which: str) -> float:
    return _number(text, parameter, f"Enter the {which} time in milliseconds, such as 250")


def _number(text: str, parameter: str, advice: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(parameter, advice) from None
    if not 0 <= number <= LONGEST_MS:
        raise ValueError(parameter, advice)
    return number


def _time(text: str, parameter: str) -> int:
    """A moment in UTC, as a date field of a form or RFC 3339 has it, in Unix nanoseconds."""
    try:
        when = datetime.fromisoformat(text)
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1e9)
    except (ValueError, OverflowError):
        raise ValueError(parameter, "Enter a time in UTC, such as 2026-11-24T09:30") from None


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
        return JSONResponse({"items": [_summary(trace) for trace in store.recent(filters.query, filters.limit)]})

    async def api_way(request: Request) -> Response:
        wanted = request.path_params["id"]
        if not is_id(wanted):
            return problem(400, "invalid_parameter", "Give an id such as app_01j…, or the UUID of an event.")
        traces = store.way(wanted)
        return JSONResponse({"items": [_summary(t) for t in traces], "connected": connected(traces, wanted)})

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
        Route("/api/ways/{id}", api_way),
        Route("/traces/{trace_id}.json", download),
    ]
