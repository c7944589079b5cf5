"""Traces for people: the list, the waterfall, and the way of an id through all of them."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cme_local.ops import waterfall
from cme_local.ops.logs import Logs
from cme_local.ops.pages import HUES, page
from cme_local.ops.search import connected, is_id
from cme_local.ops.store import TraceStore, spans_of
from cme_local.ops.trace_api import LONGEST_LIST, Filters, moment

# What the prefix of an id stands for.
KINDS = {
    "per": "People",
    "org": "Organisations",
    "call": "Calls",
    "coh": "Cohorts",
    "app": "Applications",
    "ofr": "Offers",
    "enr": "Enrolments",
    "agr": "Learning agreements",
    "apl": "Appeals",
    "pln": "Assessment plans",
    "sub": "Evidence",
    "crd": "Credits",
    "awd": "Awards",
    "cred": "Credentials",
    "ach": "Achievements",
    "prg": "Programmes",
    "unt": "Units",
    "out": "Learning outcomes",
    "clu": "Clusters",
    "con": "Contacts",
    "cns": "Consents",
    "cmp": "Campaigns",
    "tpt": "Touchpoints",
}


def routes(store: TraceStore, logs: Logs) -> list[Route]:
    """The pages over a trace store."""

    async def list_page(request: Request) -> Response:
        error: tuple[str, str] | None = None
        filters = Filters()
        try:
            filters = Filters.of(request)
        except ValueError as wrong:
            error = (wrong.args[0], wrong.args[1])
        traces = [] if error else store.recent(filters.query, filters.limit)
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
            query=filters.query,
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
            lines=logs.of(trace.trace_id),
            connected=connected([trace], ""),
            kinds=KINDS,
            ticks=waterfall.ticks(trace.duration_ns),
            took=waterfall.duration(trace.duration_ns),
            started=moment(trace.start_ns),
            hues=HUES,
        )

    async def way_page(request: Request) -> Response:
        wanted = request.query_params.get("id", "").strip()
        known = is_id(wanted)
        found = store.way(wanted) if known else []
        pages = max(1, -(-len(found) // LONGEST_LIST))
        number = request.query_params.get("page", "1")
        shown = min(int(number), pages) if number.isascii() and number.isdigit() and int(number) else 1
        traces = found[(shown - 1) * LONGEST_LIST : shown * LONGEST_LIST]
        return page(
            "way.html",
            400 if wanted and not known else 200,
            here="Ways",
            wanted=wanted,
            known=known,
            traces=traces,
            count=len(found),
            shown=shown,
            pages=pages,
            connected=connected(traces, wanted),
            kinds=KINDS,
            at=moment,
            duration=waterfall.duration,
        )

    return [
        Route("/traces", list_page),
        Route("/traces/{trace_id}", trace_page),
        Route("/way", way_page),
    ]
