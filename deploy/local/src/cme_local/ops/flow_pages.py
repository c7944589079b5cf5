"""What the kept traces say together, for people and tools: the service map and the figures of each route."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.ops import red, service_map, waterfall
from cme_local.ops.pages import HUES, page
from cme_local.ops.red import Side, Sorting
from cme_local.ops.series import Series
from cme_local.ops.service_map import Flow
from cme_local.ops.store import TraceStore, Window

Choice = TypeVar("Choice", bound=StrEnum)
TABS = {
    Side.REQUESTS: "Requests",
    Side.APPLIED: "Events applied",
    Side.PUBLISHED: "Events published",
    Side.INSIDE: "Inside services",
}


#: The times that figures can be narrowed to, in minutes.
TIMES = {"": "All that is kept", "5": "Last 5 minutes", "60": "Last hour"}


def routes(store: TraceStore) -> list[Route]:
    """The pages and their API over a trace store."""

    def window(request: Request) -> tuple[str, Window]:
        asked = request.query_params.get("minutes", "")
        minutes = asked if asked in TIMES else ""
        return minutes, store.window(float(minutes) * 60 if minutes else None)

    async def map_page(request: Request) -> Response:
        minutes, seen = window(request)
        found = service_map.flows(seen.flows.operations, seen.flows.edges)
        return page(
            "map.html",
            here="Map",
            flows=found,
            subjects=service_map.by_subject(seen.flows.edges),
            drawing=service_map.draw(found),
            seen=seen,
            minutes=minutes,
            times=TIMES,
            hues=HUES,
            rate=red.rate,
            percent=red.percent,
            duration=waterfall.duration,
        )

    async def routes_page(request: Request) -> Response:
        minutes, seen = window(request)
        side = _choice(request, "side", Side.REQUESTS)
        sorting = _choice(request, "sort", Sorting.COUNT)
        service = request.query_params.get("service", "").strip()
        since = _ago(int(minutes)) if minutes else ""
        rows = red.rows(seen.flows.operations, seen.seconds, side, service, sorting, since)
        return page(
            "routes.html",
            here="Routes",
            rows=rows[: red.MOST_ROWS],
            left_out=max(0, len(rows) - red.MOST_ROWS),
            slowest=max((row.p95 for row in rows), default=1),
            tabs=TABS,
            side=side,
            sorting=sorting,
            service=service,
            services=store.services(),
            seen=seen,
            minutes=minutes,
            times=TIMES,
            duration=waterfall.duration,
        )

    async def api_map(request: Request) -> Response:
        _, seen = window(request)
        found = service_map.flows(seen.flows.operations, seen.flows.edges)
        items = [_flow(flow) for flow in [*found, *service_map.by_subject(seen.flows.edges)]]
        return JSONResponse({"seconds": round(seen.seconds, 1), "items": items})

    async def api_routes(request: Request) -> Response:
        _, seen = window(request)
        items = [
            {"service": operation.service, "side": red.side_of(operation), "operation": operation.name}
            | _figures(series)
            for operation, series in sorted(seen.flows.operations.items())
        ]
        return JSONResponse({"seconds": round(seen.seconds, 1), "items": items})

    return [
        Route("/map", map_page),
        Route("/routes", routes_page),
        Route("/api/map", api_map),
        Route("/api/routes", api_routes),
    ]


def _ago(minutes: int) -> str:
    """That many minutes ago, as the list of traces takes it."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M")


def _choice(request: Request, name: str, usual: Choice) -> Choice:
    """A tab or an order by its name; an address with an unknown one shows the usual."""
    try:
        return type(usual)(request.query_params.get(name, usual))
    except ValueError:
        return usual


def _flow(flow: Flow) -> dict[str, Any]:
    ends: dict[str, Any] = {"via": flow.via, "from": flow.source, "to": flow.target, "subject": flow.what or None}
    return ends | _figures(flow.series)


def _figures(series: Series) -> dict[str, Any]:
    percentiles = {f"p{share}_ms": round(series.percentile(share / 100) / 1e6, 3) for share in (50, 95, 99)}
    return {"count": series.count, "errors": series.errors} | percentiles
