"""The composition root: the authorization server beside the edge, behind one ASGI callable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cme_kit import http
from cme_kit.auth import TokenVerifier
from cme_kit.clock import Clock, SystemClock
from cme_kit.metrics import NO_ROUTE, RequestFigures, observe_request
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox
from cme_kit.pages import ASSETS
from cme_kit.platform import prepare_database
from cme_kit.problems import Problem, ServiceError, install_problem_handlers, problem_response
from cme_kit.telemetry import configure_logging, start_tracing, trace_requests
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from opentelemetry import trace
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import health, people
from gateway.accounts.passwords import Passwords
from gateway.audit import repository as audit_rows
from gateway.audit import router as audit_api
from gateway.audit.service import Audit
from gateway.clients import repository as client_rows
from gateway.clients import router as clients_api
from gateway.clients.service import Clients
from gateway.edge import composition, tracing
from gateway.edge.bodies import ClientGone, whole
from gateway.edge.limits import check_head, declared_length
from gateway.edge.routes import OWN, Routes, first_segment
from gateway.edge.upstreams import open_client
from gateway.oauth import assembly
from gateway.oauth import repository as grant_rows
from gateway.oauth.assembly import AuthorizationServer
from gateway.oauth.keys import SigningKeys
from gateway.oauth.proofs import ProofUse
from gateway.oauth.revocations import Revocations
from gateway.oauth.wire import BackChannel
from gateway.peppered import Pepper
from gateway.portal import assembly as portal
from gateway.reference import router as reference
from gateway.reference.catalogue import Catalogue, EventsDocument
from gateway.reference.catalogue import router as catalogue
from gateway.reference.document import ApiDocument
from gateway.reference.templates import Templates
from gateway.settings import Settings
from gateway.usage import repository as usage_rows
from gateway.usage.service import Usage
from gateway.webhooks import assembly as webhooks

#: The subject on which the gateway's replicas tell each other what changed.
NOTICES = "cme.gateway.notices"


@dataclass(frozen=True)
class Storage:
    """What creating endpoints stand on: transactions, without a bus."""

    database: Database
    outbox: Outbox
    clock: Clock


class Gateway:
    """Own paths go to the authorization server, everything else to the edge."""

    def __init__(self, own: FastAPI, routes: Routes, deadline_seconds: float) -> None:
        self.own = own
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
            check_head(scope)
            length = declared_length(scope["headers"])
            if length != 0:
                receive = await whole(receive, length, self._deadline)
        except ClientGone:
            return
        except ServiceError as error:
            observe_request(scope["method"], NO_ROUTE, error.status, began)
            span = tracing.begin(scope["method"], "gateway", first_segment(scope["path"]), None)
            with trace.use_span(span):
                response = problem_response(error.status, error.code, error.detail, headers=error.headers)
            tracing.finish(span, error.status)
            await response(scope, receive, send)
            return
        # Nobody is known yet, so nobody continues a trace.
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"traceparent", b"tracestate", b"baggage")]
        back_channel: BackChannel = self.own.state.back_channel
        if scope["path"] in back_channel.endpoints:
            await back_channel(scope, receive, send)
        else:
            await self.own({**scope, "headers": headers}, receive, send)


def build(settings: Settings) -> Gateway:
    """The gateway as an ASGI app."""
    configure_logging("gateway", settings.log_format)
    provider = start_tracing("gateway", settings)
    routes = composition.routes_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database.connect(settings.mongo_url.get_secret_value(), "gateway", settings.mongo_driver)

        async def own_keys() -> dict[str, Any]:
            keys: SigningKeys = app.state.provided[SigningKeys]
            return keys.public()

        async with open_client() as upstream_client:
            await prepare_database(
                database,
                [
                    *(*http.INDEXES, *people.INDEXES, *client_rows.INDEXES, *assembly.INDEXES),
                    *(*audit_rows.INDEXES, *usage_rows.INDEXES, *webhooks.INDEXES),
                ],
            )
            api, sandbox = settings.public_url, f"{settings.public_url}/sandbox"
            app.state.verifier = TokenVerifier(api, api, own_keys, also=[sandbox])
            passwords = Passwords()
            server, webhook_parts = await _compose(app, settings, database, passwords)
            ground = composition.Ground(
                *(settings, database, upstream_client, app.state.provided[Clients]),
                *(app.state.provided[Revocations], app.state.provided[ProofUse], own_keys, SystemClock()),
            )
            templates = Templates(app.state.provided[ApiDocument].document["paths"])
            app.state.edge, usage = await composition.compose(ground, routes, templates)
            app.state.provided |= {
                health.Overview: health.Overview(settings.upstreams, upstream_client, database),
                Usage: usage,
            }
            following = [
                asyncio.create_task(server.following.run(), name="following"),
                asyncio.create_task(usage.follow(), name="usage"),
            ]
            async with webhook_parts.running(), app.state.people.running():
                yield
            for task in following:
                task.cancel()
            await usage.flush()
            passwords.close()
        await database.close()
        if provider is not None:
            provider.shutdown()

    app = FastAPI(
        title="Cluster Manager Education",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={"4XX": {"model": Problem, "description": "What to change"}},
    )
    install_problem_handlers(app)
    assembly.install(app)
    for router in (
        clients_api.router,
        *(health.router, reference.router, catalogue, audit_api.router),
    ):
        app.include_router(router)
    people.install(app)
    webhooks.install(app)
    portal.install(app)
    app.mount("/assets", StaticFiles(directory=ASSETS), "assets")
    app.add_middleware(RequestFigures)
    trace_requests(app)
    return Gateway(app, routes, settings.deadline_seconds)


async def _compose(
    app: FastAPI,
    settings: Settings,
    database: Database,
    passwords: Passwords,
) -> tuple[AuthorizationServer, webhooks.WebhookParts]:
    clock = SystemClock()
    issuer = settings.public_url
    pepper = Pepper(settings.client_secret_pepper.get_secret_value())
    keys = SigningKeys(settings.signing_keys_dir)
    verifier: TokenVerifier = app.state.verifier
    notices = Notices(NOTICES)
    revocations = Revocations(grant_rows.GrantRepository(database), notices, clock)
    await revocations.refresh()
    audit = Audit(audit_rows.AuditRepository(database), database, clock)
    clients = Clients(client_rows.ClientRepository(database), pepper, audit, clock)
    await clients.ensure_bootstrap(settings.bootstrap_client_id, settings.bootstrap_client_secret.get_secret_value())
    proofs = ProofUse(pepper)
    outbox = Outbox(database, clock)
    persons = people.compose(
        people.Ground(settings, database, outbox, clock, pepper, audit, clients, revocations, passwords)
    )
    app.state.people = persons
    accounts = persons.accounts
    server = assembly.compose(
        assembly.Ground(
            *(settings, database, outbox, clock, notices, audit, clients, accounts, revocations, proofs, keys, verifier)
        )
    )
    webhook_parts = webhooks.compose(
        webhooks.Ground(
            *(settings, database, outbox, clock, notices, pepper, audit, clients), erase=persons.erasure.person_erased
        )
    )
    app.state.back_channel = server.back_channel
    app.state.platform = Storage(database, outbox, clock)
    app.state.provided = {
        **persons.provided,
        **server.provided,
        **webhook_parts.provided,
        **portal.compose(portal.Ground(issuer, persons.provided, outbox, clock, pepper, clients)),
        Audit: audit,
        Outbox: outbox,
        Clients: clients,
        Notices: notices,
        ProofUse: proofs,
        Revocations: revocations,
        ApiDocument: ApiDocument.merged(app, issuer),
        Catalogue: Catalogue(issuer, bool(settings.sandbox_upstreams)),
        EventsDocument: EventsDocument(),
    }
    return server, webhook_parts
