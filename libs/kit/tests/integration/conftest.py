import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cme_contracts import CloudEvent, Event, event_type_of, find_event_type
from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_contracts.envelope import SCHEMA_BASE
from cme_kit.app import create_service_app, provide
from cme_kit.clock import SystemClock
from cme_kit.consumers import on
from cme_kit.ids import new_event_id
from cme_kit.outbox import Transaction
from cme_kit.platform import Platform, open_platform
from cme_kit.streams import owned_streams, provision_streams
from cme_kit.testing import Bus, Engines, RunningService, Tokens, running
from fastapi import FastAPI


def organisation(label: str) -> OrganisationRegistered:
    return OrganisationRegistered(organisation_id="org_1", name=label, country="SE", kind="cluster")


def person(label: str) -> PersonRegistered:
    return PersonRegistered(person_id="per_1", given_name=label, family_name="B", email="a@example.org", language="en")


def erased(label: str) -> PersonErased:
    return PersonErased(person_id=label)


def label_of(event: Event) -> str:
    return str(getattr(event, "name", None) or getattr(event, "given_name", None) or event.model_dump()["person_id"])


def envelope(aggregate: str, sequence: int, event: Event, predecessors: str | None = None) -> CloudEvent:
    declared = event_type_of(type(event))
    return CloudEvent(
        id=new_event_id(),
        source=f"/{declared.service}",
        type=declared.type,
        subject=aggregate,
        time=SystemClock().now(),
        dataschema=SCHEMA_BASE + declared.schema_file,
        sequence=sequence,
        predecessors=predecessors,
        data=event.model_dump(mode="json"),
    )


def after(model: type[Event], sequence: int) -> str:
    """The `predecessors` of an event that one event of that type came before."""
    return f"{event_type_of(model).type}={sequence}"


Hook = Callable[[Event], Awaitable[None]]


@dataclass
class Consuming:
    """A service that remembers what it applied, and lets a test fail or delay a handler."""

    http: RunningService
    platform: Platform
    bus: Bus
    tokens: Tokens
    hooks: list[Hook] = field(default_factory=list)

    async def send(self, event: CloudEvent) -> None:
        """Publish an event as its service would."""
        await self.bus.jetstream.publish(subject_of(event), event.model_dump_json(exclude_none=True).encode())

    async def applied(self) -> list[str]:
        """The labels of what was applied, in the order in which it was."""
        rows = await self.platform.database.collection("seen").find({}, sort=[("place", 1)])
        return [row["label"] for row in rows]

    async def inbox(self) -> list[dict[str, Any]]:
        """All rows of the inbox."""
        return await self.platform.database.collection("inbox").find({}, sort=[("aggregate", 1), ("sequence", 1)])

    async def letters(self) -> list[dict[str, Any]]:
        """What the API lists."""
        answer = await self.ask("GET", "")
        return answer.json()["items"]  # type: ignore[no-any-return]

    async def ask(self, method: str, path: str, *scopes: str, **request: Any) -> Any:
        """A request about dead letters."""
        headers = self.tokens.bearer("operator", *(scopes or ("operations:read", "operations:write")))
        url = f"/outreach/v1/operations/dead-letters{path}"
        return await self.http.http.request(method, url, headers=headers, **request)


def subject_of(event: CloudEvent) -> str:
    declared = find_event_type(event.type)
    assert declared is not None
    return declared.subject


Starter = Callable[..., AbstractAsyncContextManager[Consuming]]


@pytest.fixture
def start(engines: Engines, bus: Bus, tokens: Tokens) -> Starter:
    """Start a replica of the service, on other engines when given; the test may start several, one after the other or side by side."""

    places = itertools.count()

    @asynccontextmanager
    async def started(on_engines: Engines = engines) -> AsyncIterator[Consuming]:
        hooks: list[Hook] = []
        platforms: list[Platform] = []

        async def remember(tx: Transaction, event: Event) -> None:
            for hook in hooks:
                await hook(event)
            row = {"place": next(places), "label": label_of(event)}
            await platforms[0].database.collection("seen").insert(row, session=tx.session)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with open_platform("outreach", settings, []) as platform:
                platforms.append(platform)
                provide(app, platform, {})
                models = (OrganisationRegistered, PersonErased, PersonRegistered)
                await platform.start([on(model, remember) for model in models])
                yield

        settings = on_engines.settings()
        await provision_streams(bus.jetstream, owned_streams("enrolment"))
        app = create_service_app("outreach", "Outreach", settings, [], lifespan)
        async with running(app, tokens) as service:
            yield Consuming(service, platforms[0], bus, tokens, hooks)

    return started


@pytest.fixture
async def consuming(start: Starter) -> AsyncIterator[Consuming]:
    """One replica."""
    async with start() as service:
        yield service
