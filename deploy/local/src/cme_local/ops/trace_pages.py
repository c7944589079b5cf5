"""Traces for people: the list and the waterfall."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cme_local.ops import waterfall
from cme_local.ops.pages import page
from cme_local.ops.store import TraceStore, spans_of
from cme_local.ops.trace_api import LONGEST_LIST, Filters, listed, moment

# The hues that the stylesheet has; a service without one of its own borrows a free one.
HUES = {
    "enrolment": "svc-enrolment",
    "curriculum": "svc-webhooks",
    "assessment": "svc-assessment",
    "credentials": "svc-credentials",
    "outreach": "svc-outreach",
}


def routes(store: TraceStore) -> list[Route]:
    """The pages over a trace store."""

    async def list_page(request: Request) -> Response:
        error: tuple[str, str] | None = None
        filters = Filters()
        try:
            filters = Filters.of(request)
        except ValueError as wrong:
            error = (wrong.args[0], wrong.args[1])
        traces = [] if error else listed(store, filters)
        slowest = max((trace.duration_ns for trace in traces), default=1)
        more = None
        if len(traces) == filters.limit < LONGEST_LIST:
            more = "?" + urlencode(dict(request.query_params) | {"limit": str(LONGEST_LIST)})
        return page(
            "traces.html",
            400 if error else 200,
            here="Traces",
            traces=traces,
            slowest=max(slowest, 1),
            filters=filters,
            typed=request.query_params,
            services=store.services(),
            kept=len(store),
            spans=store.span_count,
            error=error,
            more=more,
            at=moment,
            duration=waterfall.duration,
        )

    async def trace_page(request: Request) -> Response:
        trace = store.get(request.path_params["trace_id"])
        if trace is None:
            return page("missing.html", 404, here="Traces", what="trace", back="/traces")
        return page(
            "trace.html",
            here="Traces",
            trace=trace,
            rows=waterfall.rows(spans_of(trace)),
            ticks=waterfall.ticks(trace.duration_ns),
            took=waterfall.duration(trace.duration_ns),
            started=moment(trace.start_ns),
            hues=HUES,
        )

    return [Route("/traces", list_page), Route("/traces/{trace_id}", trace_page)]
