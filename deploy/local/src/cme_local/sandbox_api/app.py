"""One ASGI app for the five services: each is composed as ever, with settings of its own, and none shares a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import structlog
from cme_kit.problems import problem_response
from fastapi import FastAPI
from gateway.edge.routes import Routes
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

#: How long a request waits for the first filling; below the gateway's deadline of 15 s.
HOLD_SECONDS = 12.0
#: Requests that are there as soon as anything is answered were there before, and waited for the process to start.
EARLY_SECONDS = 1.0


def build_apps(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, FastAPI]:
    """The app of each service, by its name, with these settings."""
    return {
        name: import_module(f"{name}.app").build(import_module(f"{name}.settings").Settings(**values))
        for name, values in settings.items()
    }


@asynccontextmanager
async def running(apps: Mapping[str, FastAPI]) -> AsyncIterator[None]:
    """All apps with their lifespans, started and stopped side by side."""
    stopping = asyncio.Event()

    async def live(name: str, app: FastAPI, ready: asyncio.Event) -> None:
        # Whatever the app begins in here says in its log lines whose it is.
        structlog.contextvars.bind_contextvars(service=_named(name))
        async with app.router.lifespan_context(app):
            ready.set()
            await stopping.wait()

    async with asyncio.TaskGroup() as group:
        lives = {name: asyncio.Event() for name in apps}
        for name, ready in lives.items():
            group.create_task(live(name, apps[name], ready), name=name)
        try:
            for ready in lives.values():
                await ready.wait()
            yield
        finally:
            stopping.set()


class Services:
    """Sends each path to the service that has it."""

    def __init__(self, apps: Mapping[str, FastAPI], routes: Routes) -> None:
        """`routes` is the gateway's table."""
        self._apps = apps
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        route = self._routes.of(scope["path"])
        if route is None:
            await problem_response(404, "not_found", "There is no such resource.")(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(service=_named(route.service)):
            await self._apps[route.service](scope, receive, send)


class Door:
    """Lets requests in once the sandbox is filled, and knows how long nobody has come."""

    def __init__(self, services: Services, began: float, hold_seconds: float = HOLD_SECONDS) -> None:
        """`began` is when the process was started (`time.monotonic()`)."""
        self._services = services
        self._began = began
        self._hold_seconds = hold_seconds
        self._first_at: float | None = None
        self._inside = 0
        self._left_at = time.monotonic()
        self.open = asyncio.Event()

    def quiet_seconds(self) -> float:
        """How long nobody was inside; 0 while somebody is, or while nobody can be let in."""
        return 0.0 if self._inside or not self.open.is_set() else time.monotonic() - self._left_at

    def _patience(self) -> float:
        """How long a request that is there now may be kept waiting."""
        now = time.monotonic()
        if self._first_at is None:
            self._first_at = now
        waited = now - self._began if now - self._first_at < EARLY_SECONDS else 0.0
        return max(0.0, self._hold_seconds - waited)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["path"] == "/health/live":
            await PlainTextResponse("ok")(scope, receive, send)
            return
        self._inside += 1
        try:
            async with asyncio.timeout(self._patience()):
                await self.open.wait()
        except TimeoutError:
            detail = "The sandbox is being filled with its data, which happens once. Ask again in a moment."
            response = problem_response(503, "sandbox_filling", detail, headers={"Retry-After": "5"})
            await response(scope, receive, send)
        else:
            await self._services(scope, receive, send)
        finally:
            self._inside -= 1
            self._left_at = time.monotonic()


def _named(service: str) -> str:
    return f"sandbox {service}"
