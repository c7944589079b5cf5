"""What every connection meets first: own paths go to the gateway's own handlers, everything else to the edge."""

from __future__ import annotations

import time

from cme_kit.metrics import NO_ROUTE, observe_request
from cme_kit.problems import ServiceError
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.edge.bodies import ClientGone, whole
from gateway.edge.limits import check_head, declared_length
from gateway.edge.routes import OWN, Routes, first_segment
from gateway.edge.tracing import Spans
from gateway.oauth.crossing import Crossing
from gateway.oauth.wire import BackChannel


class Gateway:
    """Own paths go to the authorization server, everything else to the edge."""

    def __init__(self, own: FastAPI, routes: Routes, spans: Spans, deadline_seconds: float) -> None:
        self.own = own
        self._spans = spans
        self._routes = routes
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection of the ASGI server."""
        if scope["type"] == "lifespan":
            await self.own(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif first_segment(scope["path"]) in OWN and self._routes.of(scope["path"]) is None:
            await self._own(scope, receive, send)
        else:
            edge: ASGIApp = self.own.state.edge
            await edge(scope, receive, send)

    async def _own(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            length = declared_length(check_head(scope))
            if length != 0:
                receive = await whole(receive, length, self._deadline)
        except ClientGone:
            return
        except ServiceError as error:
            observe_request(scope["method"], NO_ROUTE, error.status, began)
            span = self._spans.begin(scope["method"], "gateway", first_segment(scope["path"]), None)
            response = span.problem(error, error.headers)
            span.end(error.status)
            await response(scope, receive, send)
            return
        # Nobody is known yet, so nobody continues a trace.
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"traceparent", b"tracestate", b"baggage")]
        scope = {**scope, "headers": headers}
        back_channel: BackChannel = self.own.state.back_channel
        crossing: Crossing = self.own.state.crossing
        app = back_channel if scope["path"] in back_channel.endpoints else self.own
        if self._spans.exports:
            await crossing(app, scope, receive, send)
            return
        # The instrumentation gives requests no trace then, and a problem names one all the same.
        with self._spans.begin(scope["method"], "gateway", "", None).current():
            await crossing(app, scope, receive, send)
