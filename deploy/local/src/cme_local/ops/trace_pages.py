from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cme_local.ops.store import TraceStore


def routes(store: TraceStore) -> list[Route]:
    """Pages and JSON API over a trace store."""

    async def count(_: Request) -> Response:
        return JSONResponse({"spans": store.span_count, "traces": len(store)})

    return [Route("/api/spans/count", count)]
