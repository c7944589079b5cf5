"""The edge: policies in their order, then the service's answer. Raw ASGI, because each layer costs what a request takes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from cme_kit.deadlines import DeadlineExceeded
from cme_kit.metrics import NO_ROUTE, observe_request
from cme_kit.mongo import PyMongoError, is_passing
from cme_kit.problems import DATABASE_AWAY, FAILED, InternalError, NotFound, ServiceError, Unavailable
from starlette.types import Receive, Scope, Send

from gateway.edge import bodies, cors, quotas
from gateway.edge.bodies import Body, ClientGone, RequestTimeout
from gateway.edge.cors import OriginNotAllowed, Origins
from gateway.edge.exchange import Api, Exchange
from gateway.edge.forwarding import READS, Forwarding
from gateway.edge.gate import Admission, check_scope
from gateway.edge.limits import Noted, check_head, declared_length, only
from gateway.edge.rates import Rates
from gateway.edge.routes import SANDBOX, Route, Routes
from gateway.edge.tracing import Spans
from gateway.networks import network_of
from gateway.usage.domain import Place
from gateway.usage.ledger import Ledger
from gateway.usage.service import Seen, Usage

_SANDBOX = SANDBOX.encode() + b"/"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policies:
    """What a request meets on its way."""

    routes: Routes
    origins: Origins
    rates: Rates
    ledger: Ledger
    usage: Usage
    spans: Spans


class Edge:
    """Forwards requests to the services."""

    def __init__(
        self, live: Api, sandbox: Api, policies: Policies, forwarding: Forwarding, deadline_seconds: float
    ) -> None:
        self._live = live
        self._sandbox = sandbox
        self._policies = policies
        self._forwarding = forwarding
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with a problem document when it cannot be forwarded."""
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        exchange = Exchange(loop.time() + self._deadline, Body(0))
        try:
            async with asyncio.timeout_at(exchange.deadline):
                await self._handle(exchange, scope, receive, send)
        except ServiceError as error:
            await self._refuse(exchange, error, scope, receive, send)
        except TimeoutError:
            late: ServiceError = RequestTimeout("The body did not arrive in time.")
            if exchange.body.read:
                late = DeadlineExceeded(f"No answer within {self._deadline:g} s. Ask again.")
            await self._refuse(exchange, late, scope, receive, send)
        except ClientGone:
            exchange.status = 499
        except Exception as error:  # noqa: BLE001 -- whatever it was, who asked gets an answer
            await self._refuse(exchange, _failure(error, _shown(exchange, scope)), scope, receive, send)
        finally:
            self._record(exchange, scope, began)

    async def close(self) -> None:
        """Close the connections to the services."""
        for api in (self._live, self._sandbox):
            for upstream in api.upstreams.values():
                await upstream.pool.close()

    async def _handle(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        noted = check_head(scope)
        exchange.body.length = declared_length(noted)
        route = self._find(exchange, scope)
        method = scope["method"]
        public = route.is_public(method, exchange.path)
        origin = only(noted, b"origin")
        address = scope["client"][0] if scope["client"] else "unknown"
        network = network_of(address)
        if method == "OPTIONS" and origin is not None:
            wanted = only(noted, b"access-control-request-method")
            if wanted is not None:
                self._count(exchange, route, None, network)
                await self._preflight(exchange, route, origin, wanted.decode("latin-1"), send)
                return
        admission = await self._admit(exchange, scope, noted, network, public=public)
        self._count(exchange, route, admission, network)
        if admission is None and method not in READS:
            await self._open_to(exchange, origin)
        elif admission is not None and not public:
            check_scope(admission.principal, route.service)
        if exchange.body.length == 0:
            exchange.body.read = True
        else:
            await bodies.take(exchange.body, route, exchange.path, scope, receive)
        await self._forwarding(exchange, scope, noted[b"host"][0], address, send)

    def _find(self, exchange: Exchange, scope: Scope) -> Route:
        """Which API, and which route of it. Raises NotFound."""
        path, raw_path, api = scope["path"], scope["raw_path"], self._live
        if raw_path.startswith(_SANDBOX):
            path, raw_path, api = path[len(SANDBOX) :], raw_path[len(SANDBOX) :], self._sandbox
        exchange.path, exchange.raw_path = path, raw_path
        route = self._policies.routes.of(path)
        if route is None or route.service not in api.upstreams:
            raise NotFound("resource")
        exchange.api, exchange.route = api, route
        return route

    async def _admit(
        self, exchange: Exchange, scope: Scope, noted: Noted, network: str, *, public: bool
    ) -> Admission | None:
        assert exchange.api is not None
        assert exchange.route is not None
        origin = only(noted, b"origin")
        try:
            admission = await exchange.api.gate.admit(scope["method"], scope["raw_path"], noted, public=public)
        except ServiceError:
            # Who guesses tokens is counted as somebody without one.
            self._count(exchange, exchange.route, None, network)
            # Pages that may call at all are told why they may not now.
            await self._open_to(exchange, origin)
            raise
        if admission is None:
            if scope["method"] in READS:
                exchange.cors = cors.allowed(b"*")
            self._begin_span(exchange, scope, None)
            return None
        if origin is not None and origin.decode("latin-1") in admission.client.origins:
            exchange.cors = cors.allowed(origin)
        exchange.next_nonce = admission.next_nonce
        exchange.place = Place(admission.client.client_id, exchange.route.group)
        # Only somebody we know may continue a trace: others could write into anybody's.
        self._begin_span(exchange, scope, only(noted, b"traceparent"))
        return admission

    async def _open_to(self, exchange: Exchange, origin: bytes | None) -> None:
        """Let pages of an origin that a client registered read the answer."""
        if origin is not None and await self._policies.origins.has(origin.decode("latin-1")):
            exchange.cors = cors.allowed(origin)

    def _count(self, exchange: Exchange, route: Route, admission: Admission | None, network: str) -> None:
        """Against the rate of the caller and the quota of the client. Raises TooManyRequests or QuotaExceeded."""
        place = exchange.place
        if admission is None or place is None:
            exchange.bounds = self._policies.routes.limits.of(route.group, None)
            exchange.left = self._policies.rates.take(f"{route.group} {network}", exchange.bounds)
            return
        caller = f"{route.group} {place.client_id} {admission.principal.subject}"
        exchange.bounds = self._policies.routes.limits.of(route.group, place.client_id)
        left = self._policies.rates.take(caller, exchange.bounds)
        exchange.left = left + b", " + quotas.take(self._policies.ledger, place, exchange.bounds)

    async def _preflight(self, exchange: Exchange, route: Route, origin: bytes, wanted: str, send: Send) -> None:
        """Answer for the service, which is not asked (Fetch standard, CORS-preflight fetch)."""
        exchange.body.read = True
        if await self._policies.origins.has(origin.decode("latin-1")):
            headers = cors.preflight_answer(origin)
        elif wanted in READS and route.is_public(wanted, exchange.path):
            headers = cors.preflight_answer(b"*")
        else:
            raise OriginNotAllowed(
                "No client has registered this origin. Add it to yours, exactly as a browser sends it."
            )
        exchange.status, exchange.started = 204, True
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _begin_span(self, exchange: Exchange, scope: Scope, sent: bytes | None) -> None:
        service = exchange.route.service if exchange.route else "edge"
        exchange.span = self._policies.spans.begin(scope["method"], service, _shown(exchange, scope), sent)

    async def _refuse(
        self, exchange: Exchange, error: ServiceError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if exchange.started:
            # Half an answer is out: returning without its end makes the server close the connection.
            log.warning("answer broken off", path=_shown(exchange, scope), code=error.code)
            return
        if exchange.span is None:
            self._begin_span(exchange, scope, None)
        assert exchange.span is not None
        exchange.status, exchange.problem = error.status, error.code
        headers = {name.lower(): value for name, value in error.headers.items()}
        for name, value in exchange.own_headers():
            headers.setdefault(name.decode(), value.decode())
        response = exchange.span.problem(error, headers)
        await response(scope, receive, send)

    def _record(self, exchange: Exchange, scope: Scope, began: float) -> None:
        route, place, seconds = exchange.route, exchange.place, time.perf_counter() - began
        template = exchange.api.prefix + route.template if exchange.api and route else NO_ROUTE
        observe_request(scope["method"], template, exchange.status, began)
        if exchange.span is not None:
            exchange.span.end(exchange.status)
        if place is None or route is None or exchange.api is None or exchange.span is None:
            return
        self._policies.ledger.count(place, exchange.status)
        self._policies.usage.record(
            place.client_id,
            Seen(
                ended=time.time(),
                method=scope["method"],
                path=exchange.path,
                prefix=exchange.api.prefix,
                row=route.template,
                secret=route.secret,
                status=exchange.status,
                seconds=seconds,
                trace_id=exchange.span.trace_id,
                problem=exchange.problem,
            ),
        )


def _failure(error: Exception, path: str) -> ServiceError:
    if isinstance(error, PyMongoError) and is_passing(error):
        log.warning("the database did not answer", path=path, error=type(error).__name__)
        return Unavailable(DATABASE_AWAY)
    log.error("unexpected error", path=path, exc_info=error)
    return InternalError(FAILED)


def _shown(exchange: Exchange, scope: Scope) -> str:
    """The path for logs and traces: none where it is a secret, no more than anybody reads of an endless one."""
    route = exchange.route
    path: str = route.template if route is not None and route.secret else scope["path"]
    return path[:256]
