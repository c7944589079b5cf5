import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import httpx
import nats
import pytest
from cme_contracts.enrolment import OrganisationRegistered
from cme_contracts.outreach import ClusterRegistered
from cme_kit import problems
from cme_kit.app import create_service_app, provide
from cme_kit.auth import Public
from cme_kit.consumers import on
from cme_kit.http import service_router
from cme_kit.mongo import Database
from cme_kit.outbox import Transaction
from cme_kit.platform import Platform, open_platform
from cme_kit.problems import install_problem_handlers
from cme_kit.streams import dead_letters_of, stream_name
from cme_kit.telemetry import trace_requests
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, free_port, running
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import CapturingLogger

OPERATIONS = "/outreach/v1/operations/consumers"
CONSUMED = stream_name("enrolment")


@dataclass
class Outreach:
    """A service whose handler waits until it is let go."""

    running: RunningService
    platform: Platform
    go: asyncio.Event
    operator: dict[str, str]
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def consumers(self) -> httpx.Response:
        return await self.running.http.get(OPERATIONS, headers=self.operator)

    async def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        answer = await self.running.http.get("/metrics")
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    async def metric(self, name: str, **labels: str) -> float:
        return (await self.metrics())[name, frozenset(labels.items())]


@pytest.fixture
async def outreach(engines: Engines, bus: Bus, tokens: Tokens) -> AsyncIterator[Outreach]:
    settings = engines.settings()
    router = service_router("things", "/outreach/v1")
    go = asyncio.Event()
    platforms: list[Platform] = []

    @router.get("/things/{thing_id}")
    async def show(thing_id: str, _: Annotated[None, Public()]) -> str:
        return thing_id

    async def wait(tx: Transaction, _event: OrganisationRegistered) -> None:
        assert tx.session is not None
        await go.wait()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_platform("outreach", settings, []) as platform:
            platforms.append(platform)
            provide(app, platform, {})
            await platform.start([on(OrganisationRegistered, wait)])
            yield
            go.set()

    app = create_service_app("outreach", "Outreach", settings, [router], lifespan)
    async with running(app, tokens) as started:
        yield Outreach(started, platforms[0], go, tokens.bearer("an-operator", "operations:read"))


async def test_an_operator_sees_what_is_not_applied_yet_and_that_it_is_applied_later(
    outreach: Outreach, bus: Bus
) -> None:
    for n in range(3):
        event = OrganisationRegistered(organisation_id=f"org_{n}", name="One", country="SE", kind="cluster")
        await bus.publish(event.organisation_id, event)

    async def in_flight() -> bool:
        [item] = (await outreach.consumers()).json()["items"]
        return bool(item["in_flight"] == 3)

    await eventually(in_flight)
    behind = (await outreach.consumers()).json()["items"]
    lag = await outreach.metric("cme_consumer_lag", stream=CONSUMED)
    outreach.go.set()

    async def caught_up() -> bool:
        return bool((await outreach.consumers()).json()["items"][0]["lag"] == 0)

    await eventually(caught_up)
    assert behind == [{"stream": CONSUMED, "lag": 3, "in_flight": 3, "redelivered": 0}]
    assert lag == 3
    assert await outreach.metric("cme_consumer_lag", stream=CONSUMED) == 0


async def test_an_operator_sees_what_is_not_published_and_since_when(outreach: Outreach, bus: Bus) -> None:
    async def leads() -> bool:
        return bool((await outreach.consumers()).json()["outbox"]["leader"])

    await eventually(leads)
    before = (await outreach.consumers()).json()["outbox"]
    config = (await bus.jetstream.stream_info(stream_name("outreach"))).config
    await bus.jetstream.update_stream(config, max_msg_size=1)

    async def work(tx: Transaction) -> None:
        await tx.emit("cl_1", ClusterRegistered(cluster_id="cl_1", country="SE"))

    await outreach.platform.outbox.transaction(work)
    await outreach.platform.outbox.transaction(work)

    async def aged() -> bool:
        return bool((await outreach.consumers()).json()["outbox"]["oldest_seconds"] > 0)

    await eventually(aged)
    assert before == {"pending": 0, "oldest_seconds": 0, "leader": True}
    assert (await outreach.consumers()).json()["outbox"]["pending"] == 2
    assert await outreach.metric("cme_outbox_pending") == 2
    assert await outreach.metric("cme_outbox_oldest_seconds") > 0


async def test_dead_letters_are_counted(outreach: Outreach, bus: Bus) -> None:
    await bus.jetstream.publish("cme.dlq.outreach.cme.enrolment.x", b"?", stream=dead_letters_of("outreach"))

    assert (await outreach.consumers()).json()["dead_letters"] == 1
    assert await outreach.metric("cme_dead_letters") == 1


async def test_a_stream_that_does_not_exist_has_no_lag(outreach: Outreach) -> None:
    unknown = {"stream": CONSUMED, "lag": None, "in_flight": None, "redelivered": None}

    assert (await outreach.consumers()).json()["items"] == [unknown]
    assert math.isnan(await outreach.metric("cme_consumer_lag", stream=CONSUMED))
    assert await outreach.metric("cme_engine_up", engine="broker") == 1


async def test_a_broker_that_is_away_leaves_the_other_figures(outreach: Outreach, engines: Engines) -> None:
    away = await nats.connect(engines.nats_url, user="test", password="test")
    outreach.platform.jetstream = away.jetstream()
    await away.close()

    refused = await outreach.consumers()

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert await outreach.metric("cme_engine_up", engine="broker") == 0
    assert await outreach.metric("cme_engine_up", engine="database") == 1
    assert math.isnan(await outreach.metric("cme_dead_letters"))
    assert math.isnan(await outreach.metric("cme_consumer_lag", stream=CONSUMED))
    assert await outreach.metric("cme_outbox_pending") == 0


async def test_a_database_that_is_away_leaves_the_other_figures(outreach: Outreach) -> None:
    there, away = outreach.platform.database, Database.connect(f"mongodb://127.0.0.1:{free_port()}", "outreach")
    outreach.platform.database = away

    refused = await outreach.consumers()
    figures = await outreach.metrics()
    outreach.platform.database = there
    await away.close()

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert figures["cme_engine_up", frozenset({("engine", "database")})] == 0
    assert math.isnan(figures["cme_outbox_pending", frozenset()])
    assert math.isnan(figures["cme_outbox_oldest_seconds", frozenset()])
    assert figures["cme_dead_letters", frozenset()] == 0


async def test_requests_are_counted_by_route_and_never_by_an_id_or_by_what_a_stranger_invents(
    outreach: Outreach,
) -> None:
    http = outreach.running.http
    await http.get("/outreach/v1/things/thing-zq4711")
    await http.post("/outreach/v1/things/thing-zq4711")
    await http.get("/nobody/knows/zq4711")
    await http.request("BREWZQ4711", "/outreach/v1/things/thing-zq4711")

    name = "http_server_request_duration_seconds_count"
    figures = {tuple(sorted(dict(labels).values())) for key, labels in await outreach.metrics() if key == name}

    assert {
        ("/outreach/v1/things/{thing_id}", "200", "GET"),
        ("/outreach/v1/things/{thing_id}", "405", "POST"),
        ("/outreach/v1/things/{thing_id}", "405", "_OTHER"),
        ("(none)", "404", "GET"),
    } <= figures
    assert "zq4711" not in (await http.get("/metrics")).text.lower()


async def test_only_an_operator_reads_the_figures_of_the_consumers(outreach: Outreach, tokens: Tokens) -> None:
    other = tokens.bearer("a-client", "outreach.directory:read")

    assert (await outreach.running.http.get(OPERATIONS)).status_code == 401
    assert (await outreach.running.http.get(OPERATIONS, headers=other)).status_code == 403


async def test_no_query_and_no_secret_of_a_path_is_in_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    log = CapturingLogger()
    monkeypatch.setattr(problems, "log", log)
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/unsubscribe/{token}")
    async def unsubscribe(token: str) -> None:
        raise RuntimeError("odd")

    @app.get("/things/{thing_id}")
    async def thing(thing_id: str) -> str:
        return thing_id

    trace_requests(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://cme.test") as http:
        for path in ("/unsubscribe/s3cret?code=s3cret", "/things/1?code=s3cret", "/nothing?code=s3cret"):
            await http.get(path)

    told = [dict(span.attributes or {}) for span in spans.get_finished_spans()]
    assert [attributes["http.target"] for attributes in told] == ["/unsubscribe/{token}", "/things/1", "/nothing"]
    assert "s3cret" not in str(told)
    assert [(call.args, call.kwargs["path"]) for call in log.calls] == [(("unexpected error",), "/unsubscribe/{token}")]
