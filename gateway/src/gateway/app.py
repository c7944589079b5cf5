"""The composition root: the authorization server, webhooks and the portal beside the edge, behind one ASGI callable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from cme_kit import http
from cme_kit.auth import TokenVerifier
from cme_kit.clock import SystemClock
from cme_kit.listening import ListeningPlatform
from cme_kit.methods import Heads
from cme_kit.metrics import RequestFigures
from cme_kit.mongo import Database
from cme_kit.notices import Notices
from cme_kit.outbox import Outbox
from cme_kit.pages import ASSETS
from cme_kit.platform import prepare_database
from cme_kit.problems import Problem, install_problem_handlers
from cme_kit.tasks import Tasks
from cme_kit.telemetry import configure_logging, start_tracing, trace_requests
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gateway import health, people
from gateway.accounts.passwords import Passwords
from gateway.audit import repository as audit_rows
from gateway.audit import router as audit_api
from gateway.audit.service import Audit
from gateway.clients import repository as client_rows
from gateway.clients import router as clients_api
from gateway.clients.service import Clients
from gateway.edge import composition as edge
from gateway.edge.allowances import Limits
from gateway.edge.cors import Origins
from gateway.edge.gate import Gate, OwnGate
from gateway.edge.routes import Routes
from gateway.edge.tracing import Spans
from gateway.edge.upstreams import open_client
from gateway.front import Gateway
from gateway.oauth import assembly as oauth
from gateway.oauth import repository as grant_rows
from gateway.oauth.crossing import Crossing
from gateway.oauth.keys import SigningKeys
from gateway.oauth.proofs import ProofUse
from gateway.oauth.revocations import Revocations
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
INDEXES = (
    *(*http.INDEXES, *people.INDEXES, *client_rows.INDEXES, *oauth.INDEXES),
    *(*audit_rows.INDEXES, *usage_rows.INDEXES, *webhooks.INDEXES),
)


def build(settings: Settings) -> Gateway:
    """The gateway as an ASGI app."""
    configure_logging("gateway", settings.log_format)
    traced = start_tracing("gateway", settings)
    spans = Spans(traced)
    routes = edge.routes_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database.connect(settings.mongo_url.get_secret_value(), "gateway", settings.mongo_driver)
        async with open_client() as upstream_client:
            await prepare_database(database, INDEXES)
            async with _running(app, settings, routes, spans, database, upstream_client):
                yield
        await database.close()
        if traced is not None:
            traced.shutdown()

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
    for router in (clients_api.router, health.router, reference.router, catalogue, audit_api.router):
        app.include_router(router)
    for part in (oauth, people, webhooks, portal):
        part.install(app)
    app.mount("/assets", StaticFiles(directory=ASSETS), "assets")
    app.add_middleware(Heads)
    app.add_middleware(RequestFigures)
    trace_requests(app)
    return Gateway(app, routes, spans, settings.deadline_seconds)


@asynccontextmanager
async def _running(
    app: FastAPI,
    settings: Settings,
    routes: Routes,
    spans: Spans,
    database: Database,
    upstream_client: aiohttp.ClientSession,
) -> AsyncIterator[None]:
    """Everything built, each part on those before it, with the tasks beside the requests."""
    issuer, clock, passwords = settings.public_url, SystemClock(), Passwords()
    pepper = Pepper(settings.client_secret_pepper.get_secret_value())
    keys = SigningKeys(settings.signing_keys_dir)
    verifier = TokenVerifier(issuer, issuer, keys.read, also=[f"{issuer}/sandbox"], refetch_seconds=0, keep_seconds=1)
    outbox, notices, proofs = Outbox(database, clock), Notices(NOTICES), ProofUse(pepper)
    revocations = Revocations(grant_rows.GrantRepository(database), notices, clock)
    await revocations.refresh()
    audit = Audit(audit_rows.AuditRepository(database), database, clock)
    clients = Clients(client_rows.ClientRepository(database), pepper, audit, clock)
    await clients.ensure_bootstrap(settings.bootstrap_client_id, settings.bootstrap_client_secret.get_secret_value())
    document, origins = ApiDocument.merged(app, issuer), Origins(clients.serves_origin)
    templates = Templates(document.document["paths"])
    app.state.edge, usage = await edge.compose(
        edge.Ground(settings, database, clients, revocations, proofs, keys.read, clock, origins),
        *(routes, templates, spans),
    )
    persons = people.compose(
        people.Ground(settings, database, outbox, clock, pepper, audit, clients, revocations, passwords)
    )
    server = oauth.compose(
        oauth.Ground(
            *(settings, database, outbox, clock, notices, audit, clients, persons.accounts),
            *(revocations, proofs, keys, verifier, usage, spans),
        )
    )
    hooks = webhooks.compose(
        webhooks.Ground(
            *(settings, database, outbox, clock, notices, pepper, audit, clients),
            erase=persons.erasure.person_erased,
            tell_owner=persons.webhook_disabled,
        )
    )
    portal_stands_on = {**persons.provided, **hooks.provided, Limits: routes.limits, Usage: usage}
    provided: dict[type, Any] = {
        **persons.provided,
        **server.provided,
        **hooks.provided,
        **portal.compose(portal.Ground(issuer, portal_stands_on, outbox, clock, pepper, clients)),
        ApiDocument: document,
        Audit: audit,
        Catalogue: Catalogue(issuer, bool(settings.sandbox_upstreams)),
        Clients: clients,
        EventsDocument: EventsDocument(),
        Notices: notices,
        Outbox: outbox,
        health.Overview: health.Overview(settings.upstreams, upstream_client, database),
        ProofUse: proofs,
        Revocations: revocations,
        Usage: usage,
    }
    app.state.platform = ListeningPlatform("gateway", database, outbox, clock, hooks.listener)
    app.state.provided = provided
    app.state.verifier = OwnGate(Gate(verifier, clients, revocations, proofs))
    app.state.back_channel, app.state.crossing = server.back_channel, Crossing(origins)
    tasks = Tasks()
    tasks.run("following", server.following.run)
    tasks.run("usage", usage.follow)
    async with hooks.running(), persons.running():
        yield
    await tasks.stop()
    await usage.flush()
    await app.state.edge.close()
    passwords.close()
