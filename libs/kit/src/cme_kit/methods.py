"""What HTTP says of methods for every resource: HEAD where there is GET, and `Allow` with all of them."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Answers HEAD as GET without the body (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


def allowed_at(app: FastAPI, scope: Scope) -> str:
    """The `Allow` of a path (RFC 9110 section 10.2.1); a route of an app knows its own methods only."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    matching = [route for route in routes if isinstance(route, APIRoute) and route.path_regex.match(path)]
    # `/letters/mine` is no letter, although its name would do as an id: what was declared first answers.
    same = [route for route in matching if route.path_format == matching[0].path_format]
    methods = {method for route in same for method in route.methods or ()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
