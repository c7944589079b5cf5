"""How the edge is put together."""

from __future__ import annotations

from dataclasses import dataclass

from cme_kit.auth import TokenVerifier
from cme_kit.clock import Clock
from cme_kit.issuer_keys import KeySource
from cme_kit.mongo import Database

from gateway.clients.service import Clients
from gateway.edge.cache import Cache
from gateway.edge.cors import Origins
from gateway.edge.exchange import Api
from gateway.edge.forwarding import Forwarding
from gateway.edge.gate import Gate
from gateway.edge.proxy import Edge, Policies
from gateway.edge.rates import Rates
from gateway.edge.routes import PACKAGED, SANDBOX, Routes
from gateway.edge.tracing import Spans
from gateway.edge.upstreams import Upstream, Upstreams
from gateway.oauth.proofs import ProofUse
from gateway.oauth.revocations import Revocations
from gateway.reference.templates import Templates
from gateway.settings import Settings
from gateway.usage.ledger import Ledger
from gateway.usage.repository import UsageRepository
from gateway.usage.service import Usage


@dataclass(frozen=True)
class Ground:
    """What the edge stands on."""

    settings: Settings
    database: Database
    clients: Clients
    revocations: Revocations
    proofs: ProofUse
    keys: KeySource
    clock: Clock
    origins: Origins


def routes_of(settings: Settings) -> Routes:
    """The table of routes. Raises RoutesError."""
    replaced = {
        "per_second": settings.rate_per_second,
        "burst": settings.rate_burst,
        "per_day": settings.quota_per_day,
    }
    return Routes.load(settings.routes_file or PACKAGED, replaced)


async def compose(ground: Ground, routes: Routes, templates: Templates, spans: Spans) -> tuple[Edge, Usage]:
    """The edge, with what was counted today before this process began. Raises PyMongoError."""
    settings = ground.settings
    rows = UsageRepository(ground.database)
    ledger = Ledger(rows)
    await ledger.load()
    usage = Usage(rows, ledger, templates.of, ground.clock)
    issuer = settings.public_url

    def api(prefix: str, urls: dict[str, str]) -> Api:
        verifier = TokenVerifier(issuer, issuer + prefix, ground.keys, refetch_seconds=0, keep_seconds=1)
        gate = Gate(verifier, ground.clients, ground.revocations, ground.proofs)
        return Api(prefix, Upstream.all_of(urls), gate)

    edge = Edge(
        api("", settings.upstreams),
        api(SANDBOX, settings.sandbox_upstreams),
        Policies(routes, ground.origins, Rates(), ledger, usage, spans),
        Forwarding(Upstreams(), Cache(), issuer.partition(":")[0]),
        settings.deadline_seconds,
    )
    return edge, usage
