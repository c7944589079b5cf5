"""The peer: a reverse proxy as it is usually written, a catch-all route of FastAPI that streams by httpx. No policy at all."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

UPSTREAM = "BENCH_UPSTREAM"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One pooled client."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx.AsyncClient(base_url=os.environ[UPSTREAM], limits=limits, timeout=15) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


@app.api_route("/{path:path}", methods=METHODS)
async def forward(path: str, request: Request) -> StreamingResponse:
    """Send on, stream back."""
    client: httpx.AsyncClient = request.app.state.client
    body = request.stream() if request.method != "GET" else None
    asked = client.build_request(request.method, f"/{path}", headers=request.headers.raw, content=body)
    answer = await client.send(asked, stream=True)
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, dict(answer.headers), background=BackgroundTask(answer.aclose)
    )
