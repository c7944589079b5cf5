import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from cme_contracts import event_type_of
from cme_contracts.enrolment import OrganisationRegistered
from cme_contracts.outreach import ClusterMerged, ClusterRegistered
from cme_kit.app import create_service_app, provide
from cme_kit.auth import Principal, Requires
from cme_kit.consumers import NotYet, on
from cme_kit.http import Once, service_router
from cme_kit.outbox import Transaction
from cme_kit.platform import open_platform
from cme_kit.schemas import Schema
from cme_kit.streams import dead_letters_of
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, running
from fastapi import FastAPI


class NewThing(Schema):
    name: str


class Thing(Schema):
    thing_id: str
    name: str


class Remembered:
    """The handler under test: fails as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.calls = 0
        self.platform = None

    async def apply(self, tx: Transaction, event: OrganisationRegistered) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise NotYet("told to fail")
        things = self.platform.database.collection("seen")
        await things.insert({"_id": f"{event.organisation_id}-{self.calls}", "name": event.name}, session=tx.session)


@pytest.fixture
def remembered() -> Remembered:
    return Remembered()


@pytest.fixture(params=["motor", "pymongo"])
async def service(
    request: pytest.FixtureRequest, engines: Engines, bus: Bus, tokens: Tokens, remembered: Remembered
) -> AsyncIterator[RunningService]:
    settings = engines.settings(mongo_driver=request.param)
    router = service_router("things", "/outreach/v1")

    @router.post("/things", status_code=201)
    async def create(
        body: NewThing, once: Once, _: Annotated[Principal, Requires("outreach.directory:write")]
    ) -> Thing:
        async def work(tx: Transaction) -> Thing:
            platform = remembered.platform
            await platform.database.collection("things").insert({"name": body.name}, session=tx.session)
            await tx.emit(body.name, ClusterRegistered(cluster_id=body.name, country="SE"))
            return Thing(thing_id=body.name, name=body.name)

        return await once(Thing, work)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_platform("outreach", settings, []) as platform:
            remembered.platform = platform
            provide(app, platform, {})
            await platform.start([on(OrganisationRegistered, remembered.apply)])
            yield

    app = create_service_app("outreach", "Outreach", settings, [router], lifespan)
    async with running(app, tokens) as started:
        yield started


def writer(tokens: Tokens) -> dict[str, str]:
    return tokens.bearer("client-a", "outreach.directory:write", "operations:read")


async def test_a_created_record_and_its_event_appear_together(
    service: RunningService, bus: Bus, tokens: Tokens
) -> None:
    answer = await service.http.post("/outreach/v1/things", json={"name": "a"}, headers=writer(tokens))

    assert answer.status_code == 201, answer.text

    async def published() -> list[object]:
        return await bus.published(ClusterRegistered)

    [event] = await eventually(published)
    assert event.sequence == 1
    assert event.data == {"cluster_id": "a", "country": "SE"}


async def test_a_repeated_idempotency_key_answers_the_same_and_writes_once(
    service: RunningService, tokens: Tokens, remembered: Remembered
) -> None:
    headers = {**writer(tokens), "Idempotency-Key": "key-1"}

    answers = await asyncio.gather(
        *(service.http.post("/outreach/v1/things", json={"name": "b"}, headers=headers) for _ in range(8))
    )
    other = await service.http.post("/outreach/v1/things", json={"name": "c"}, headers=headers)

    assert {answer.status_code for answer in answers} == {201}
    assert await remembered.platform.database.collection("things").count({}) == 1
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_an_event_delivered_three_times_is_applied_once(
    service: RunningService, bus: Bus, remembered: Remembered
) -> None:
    event = OrganisationRegistered(organisation_id="org_1", name="One", country="SE", kind="cluster")
    first = await bus.publish("org_1", event)
    await bus.publish("org_1", event, event_id=str(first.id))
    await bus.publish("org_1", event, event_id=str(first.id))
    await bus.publish("org_2", event)

    async def seen() -> bool:
        return await remembered.platform.database.collection("seen").count({}) == 2

    await eventually(seen)
    await asyncio.sleep(0.2)
    assert await seen()


async def test_a_failing_handler_is_tried_again_in_order(
    service: RunningService, bus: Bus, remembered: Remembered
) -> None:
    remembered.failures = 2
    for name in ("first", "second"):
        event = OrganisationRegistered(organisation_id="org_1", name=name, country="SE", kind="cluster")
        await bus.publish("org_1", event)

    async def seen() -> list[str]:
        rows = await remembered.platform.database.collection("seen").find({}, sort=[("_id", 1)])
        return [row["name"] for row in rows] if len(rows) == 2 else []

    assert await eventually(seen) == ["first", "second"]


async def test_a_message_that_is_no_event_becomes_a_dead_letter_and_its_neighbour_is_applied(
    service: RunningService, bus: Bus, tokens: Tokens, remembered: Remembered
) -> None:
    event = OrganisationRegistered(organisation_id="org_1", name="One", country="SE", kind="cluster")
    await bus.publish("org_1", event)
    await bus.jetstream.publish("cme.enrolment.organisation.registered.v1", b"not json")
    await bus.publish("org_2", event)

    async def buried() -> bool:
        return (await bus.jetstream.stream_info(dead_letters_of("outreach"))).state.messages == 1

    await eventually(buried)
    figures = (await service.http.get("/outreach/v1/operations/figures", headers=writer(tokens))).json()
    assert figures["dead_letters"] == 1

    async def seen() -> bool:
        return await remembered.platform.database.collection("seen").count({}) == 2

    await eventually(seen)


async def test_ready_says_what_is_connected(service: RunningService, bus: Bus) -> None:
    event = OrganisationRegistered(organisation_id="org_1", name="One", country="SE", kind="cluster")
    await bus.publish("org_1", event)

    async def ready() -> bool:
        return (await service.http.get("/health/ready")).status_code == 200

    await eventually(ready)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b'{"name": NaN}', 400, "malformed_json"),
        (b'{"name": "a", "name": "b"}', 400, "malformed_json"),
        (b'{"name": "\\ud800"}', 400, "malformed_json"),
        (b"[" * 2000, 400, "malformed_json"),
        (b'{"name": "a", "role": "admin"}', 422, "invalid_request"),
        (b'{"name": 1}', 422, "invalid_request"),
    ],
)
async def test_bad_bodies_get_a_problem_document(
    service: RunningService, tokens: Tokens, body: bytes, status: int, code: str
) -> None:
    headers = {**writer(tokens), "Content-Type": "application/json"}

    answer = await service.http.post("/outreach/v1/things", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_is_needed_and_has_to_fit(service: RunningService, tokens: Tokens) -> None:
    body = {"name": "a"}
    wrong = [
        ({}, 401),
        ({"Authorization": "Bearer x.y.z"}, 401),
        (tokens.bearer("client-a", "outreach.directory:read"), 403),
        ({"Authorization": f"Bearer {tokens.issue('a', 'outreach.directory:write', aud='https://other')}"}, 401),
        ({"Authorization": f"Bearer {tokens.issue('a', 'outreach.directory:write', exp=1)}"}, 401),
    ]

    for headers, status in wrong:
        answer = await service.http.post("/outreach/v1/things", json=body, headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        assert "WWW-Authenticate" in answer.headers


async def test_concurrent_events_of_one_aggregate_are_numbered_without_a_gap(
    service: RunningService, bus: Bus, remembered: Remembered
) -> None:
    async def work(tx: Transaction) -> None:
        await tx.emit("one", ClusterRegistered(cluster_id="one", country="SE"))
        await tx.emit("two", ClusterRegistered(cluster_id="two", country="SE"))

    await asyncio.gather(*(remembered.platform.outbox.transaction(work) for _ in range(12)))

    async def published() -> bool:
        return len(await bus.published(ClusterRegistered)) == 24

    await eventually(published)
    for aggregate in ("one", "two"):
        sequences = [event.sequence for event in await bus.published(ClusterRegistered) if event.subject == aggregate]
        assert sequences == list(range(1, 13))


async def test_each_event_says_which_ones_of_its_aggregate_came_before(
    service: RunningService, bus: Bus, remembered: Remembered
) -> None:
    async def both(tx: Transaction) -> None:
        await tx.emit("one", ClusterRegistered(cluster_id="one", country="SE"))
        await tx.emit("one", ClusterMerged(cluster_id="one", merged_cluster_id="old"))
        await tx.emit("two", ClusterRegistered(cluster_id="two", country="SE"))

    async def one_more(tx: Transaction) -> None:
        await tx.emit("one", ClusterRegistered(cluster_id="one", country="SE"))

    await remembered.platform.outbox.transaction(both)
    await remembered.platform.outbox.transaction(one_more)
    await remembered.platform.outbox.transaction(both)

    async def published() -> bool:
        return len(await bus.published(ClusterRegistered)) == 5

    await eventually(published)
    registered = event_type_of(ClusterRegistered).type
    merged = event_type_of(ClusterMerged).type
    said = {(event.subject, event.sequence): event.predecessors for event in await bus.published(ClusterRegistered)}
    assert said == {
        ("one", 1): None,
        ("one", 3): f"{merged}=2 {registered}=1",
        ("one", 4): f"{merged}=2 {registered}=3",
        ("two", 1): None,
        ("two", 2): f"{registered}=1",
    }
