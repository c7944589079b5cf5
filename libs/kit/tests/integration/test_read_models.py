import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cme_contracts.enrolment import OrganisationRegistered, PersonErased, PersonRegistered
from cme_contracts.outreach import ClusterRegistered
from cme_kit import consumers, remaking
from cme_kit.app import create_service_app, provide
from cme_kit.consumers import NotYet, on
from cme_kit.outbox import Transaction
from cme_kit.platform import Platform, open_platform
from cme_kit.remaking import Remaking
from cme_kit.streams import owned_streams, provision_streams
from cme_kit.testing import Bus, Engines, RunningService, Tokens, eventually, running
from fastapi import FastAPI
from nats.js.errors import NotFoundError

from .conftest import after, envelope

NAMES = "names"
PEOPLE = "people"


@dataclass
class Keeping:
    """A service that keeps the names of organisations and of people, and nothing else."""

    http: RunningService
    platform: Platform
    bus: Bus
    tokens: Tokens
    emits: list[str] = field(default_factory=list)

    async def register(self, organisation_id: str, *names: str, first: int = 1) -> None:
        """The organisation's names, one after the other."""
        for sequence, name in enumerate(names, first):
            event = OrganisationRegistered(organisation_id=organisation_id, name=name, country="SE", kind="cluster")
            before = after(OrganisationRegistered, sequence - 1) if sequence > 1 else None
            cloud = envelope(organisation_id, sequence, event, before)
            await self.bus.jetstream.publish(
                "cme.enrolment.organisation.registered.v1", cloud.model_dump_json(exclude_none=True).encode()
            )

    async def state_person(self, event: PersonRegistered | PersonErased, sequence: int) -> None:
        before = after(PersonRegistered, 1) if sequence > 1 else None
        cloud = envelope(event.person_id, sequence, event, before)
        subject = "cme.personal.enrolment.person.registered.v1"
        if isinstance(event, PersonErased):
            subject = "cme.enrolment.person.erased.v1"
        await self.bus.jetstream.publish(subject, cloud.model_dump_json(exclude_none=True).encode())

    async def rows(self, model: str) -> dict[str, dict[str, Any]]:
        return {row["_id"]: row for row in await self.platform.database.collection(model).find({})}

    async def names(self) -> dict[str, str]:
        return {key: row["name"] for key, row in (await self.rows(NAMES)).items()}

    async def applied(self, count: int) -> None:
        async def all_there() -> bool:
            return await self.platform.database.collection("inbox").count({}) == count

        await eventually(all_there, 30)

    async def ask(self, method: str, path: str, *scopes: str) -> Any:
        headers = self.tokens.bearer("operator", *(scopes or ("operations:read", "operations:write")))
        return await self.http.http.request(method, f"/outreach/v1/operations/models{path}", headers=headers)

    async def rebuilt(self, model: str = NAMES, *, dry_run: bool = False) -> dict[str, Any]:
        """Have it made again; how that ended."""
        asked = await self.ask("POST", f"/{model}/rebuild?dry_run={dry_run}")
        assert asked.status_code == 202, asked.text
        return await self.ended(model)

    async def ended(self, model: str = NAMES) -> dict[str, Any]:
        async def over() -> Any:
            models = {one["name"]: one for one in (await self.ask("GET", "")).json()}
            rebuild = models[model]["rebuild"]
            return rebuild if rebuild["state"] != "building" else None

        return await eventually(over, 30)  # type: ignore[no-any-return]

    async def collections(self) -> set[str]:
        return set(await self.platform.database._native.list_collection_names())


Starter = Callable[[], AbstractAsyncContextManager[Keeping]]


@pytest.fixture
def start(engines: Engines, bus: Bus, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Starter:
    monkeypatch.setattr(consumers, "RETRY_DELAYS", (0.02,))
    monkeypatch.setattr(Remaking, "LEASE", timedelta(seconds=1))
    settings = engines.settings()

    @asynccontextmanager
    async def started() -> AsyncIterator[Keeping]:
        platforms: list[Platform] = []
        emits: list[str] = []

        async def keep_name(tx: Transaction, event: OrganisationRegistered) -> None:
            if event.name == "refused":
                raise NotYet("not now")
            names = platforms[0].database.collection(NAMES)
            row = await names.find_one({"_id": event.organisation_id}, tx.session)
            changes = (row["changes"] if row else 0) + 1
            document = {"_id": event.organisation_id, "name": event.name, "changes": changes}
            await names.replace({"_id": event.organisation_id}, document, upsert=True, session=tx.session)
            for cluster_id in emits:
                await tx.emit(cluster_id, ClusterRegistered(cluster_id=cluster_id, country="SE"))

        async def keep_person(tx: Transaction, event: PersonRegistered) -> None:
            people = platforms[0].database.collection(PEOPLE)
            if not await people.find_one({"_id": event.person_id, "erased": True}, tx.session):
                row = {"_id": event.person_id, "name": event.given_name}
                await people.replace({"_id": event.person_id}, row, upsert=True, session=tx.session)

        async def erase_person(tx: Transaction, event: PersonErased) -> None:
            people = platforms[0].database.collection(PEOPLE)
            row = {"_id": event.person_id, "erased": True}
            await people.replace({"_id": event.person_id}, row, upsert=True, session=tx.session)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with open_platform("outreach", settings, []) as platform:
                platforms.append(platform)
                provide(app, platform, {})
                await platform.start(
                    [
                        on(OrganisationRegistered, keep_name, model=NAMES),
                        on(PersonRegistered, keep_person, model=PEOPLE),
                        on(PersonErased, erase_person, model=PEOPLE),
                    ]
                )
                yield

        await provision_streams(bus.jetstream, owned_streams("enrolment"))
        async with running(create_service_app("outreach", "Outreach", settings, [], lifespan), tokens) as service:
            yield Keeping(service, platforms[0], bus, tokens, emits)

    return started


@pytest.fixture
async def keeping(start: Starter) -> AsyncIterator[Keeping]:
    async with start() as service:
        yield service


async def damage(keeping: Keeping) -> dict[str, dict[str, Any]]:
    """Three organisations, of which one is lost, one wrong and one too many; how they were."""
    for place, names in enumerate((["a", "b"], ["c"], ["d", "e", "f"]), 1):
        await keeping.register(f"org_{place}", *names)
    await keeping.applied(6)
    right = await keeping.rows(NAMES)
    names = keeping.platform.database.collection(NAMES)
    await names.delete({"_id": "org_1"})
    await names.update({"_id": "org_3"}, {"$set": {"name": "wrong"}})
    await names.insert({"_id": "org_9", "name": "nobody stated me", "changes": 1})
    return right


async def test_what_is_lost_wrong_or_too_many_is_put_right_and_nothing_else_touched(keeping: Keeping) -> None:
    right = await damage(keeping)

    rebuild = await keeping.rebuilt()

    assert (rebuild["state"], rebuild["events"], rebuild["changed"], rebuild["reason"]) == ("done", 6, 3, None)
    assert await keeping.rows(NAMES) == right
    assert right["org_3"] == {"_id": "org_3", "name": "f", "changes": 3}
    await keeping.register("org_3", "g", first=4)
    await keeping.applied(7)
    assert (await keeping.names())["org_3"] == "g"
    assert {name for name in await keeping.collections() if name.startswith(NAMES)} == {NAMES}
    assert (await keeping.rebuilt())["changed"] == 0


async def test_a_dry_run_counts_what_is_wrong_and_changes_nothing(keeping: Keeping) -> None:
    await damage(keeping)
    before = await keeping.rows(NAMES)

    rebuild = await keeping.rebuilt(dry_run=True)

    assert (rebuild["state"], rebuild["dry_run"], rebuild["changed"]) == ("done", True, 3)
    assert await keeping.rows(NAMES) == before


async def test_events_that_come_meanwhile_are_neither_lost_nor_applied_twice(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remaking, "BATCH", 5)
    monkeypatch.setattr(remaking, "DOCUMENTS", 7)
    for place in range(30):
        await keeping.register(f"org_{place:02}", "first")
    await keeping.applied(30)
    await keeping.platform.database.collection(NAMES).delete({})

    async def go_on() -> None:
        for sequence in (2, 3, 4):
            for place in range(30):
                await keeping.register(f"org_{place:02}", f"name {sequence}", first=sequence)

    stating = asyncio.create_task(go_on())
    rebuilds = [await keeping.rebuilt() for _ in range(3)]
    await stating
    await keeping.applied(120)

    assert [rebuild["state"] for rebuild in rebuilds] == ["done"] * 3
    assert set((await keeping.names()).values()) == {"name 4"}
    # A document that was lost counts from one again until it is right.
    assert (await keeping.rebuilt())["changed"] == 0
    assert {row["changes"] for row in (await keeping.rows(NAMES)).values()} == {4}


@pytest.mark.parametrize("moment", ["rebuild.replayed", "rebuild.compared"])
async def test_a_rebuild_that_was_cut_off_is_begun_again_at_the_next_start(
    start: Starter, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    reached = asyncio.Event()

    async def stand_still(name: str) -> None:
        if name == moment:
            reached.set()
            await asyncio.sleep(3600)

    monkeypatch.setattr(remaking, "BATCH", 2)
    monkeypatch.setattr(remaking, "DOCUMENTS", 2)
    async with start() as keeping:
        right = await damage(keeping)
        with monkeypatch.context() as patch:
            patch.setattr(remaking, "failpoint", stand_still)
            await keeping.ask("POST", f"/{NAMES}/rebuild")
            await reached.wait()
            assert len({name for name in await keeping.collections() if name.startswith(f"{NAMES}_")}) == 1

    async with start() as keeping:
        rebuild = await keeping.ended()

        assert rebuild["state"] == "done"
        assert await keeping.rows(NAMES) == right
        assert {name for name in await keeping.collections() if name.startswith(NAMES)} == {NAMES}


async def test_a_run_whose_lease_was_taken_changes_nothing_more(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = await damage(keeping)
    runs: list[str] = []
    rebuilds = keeping.platform.database.collection("rebuilds")

    async def overtake(_: str) -> None:
        runs.append("taken")
        if len(runs) == 1:  # as if this process had stood still for longer than its lease
            await rebuilds.update({"_id": NAMES}, {"$set": {"run": "other", "until": keeping.platform.clock.now()}})

    monkeypatch.setattr(remaking, "failpoint", overtake)

    assert (await keeping.rebuilt())["state"] == "done"
    assert await keeping.rows(NAMES) == right


async def test_events_that_a_rebuilt_stream_holds_in_another_order_are_applied_in_theirs(keeping: Keeping) -> None:
    await keeping.register("org_1", "first", "second", "third")
    await keeping.applied(3)
    jetstream = keeping.bus.jetstream
    held = await jetstream.get_msg("CME_ENROLMENT", 2)
    await jetstream.delete_msg("CME_ENROLMENT", 2)
    await jetstream.publish(held.subject or "", held.data or b"")
    right = await keeping.rows(NAMES)

    assert (await keeping.rebuilt())["changed"] == 0
    assert await keeping.rows(NAMES) == right


async def test_a_stream_that_lost_an_applied_event_makes_no_model(keeping: Keeping) -> None:
    await damage(keeping)
    before = await keeping.rows(NAMES)
    await keeping.platform.database.collection("inbox").update_many(
        {}, {"$set": {"applied_at": keeping.platform.clock.now() - timedelta(days=1)}}
    )
    await keeping.bus.jetstream.delete_msg("CME_ENROLMENT", 3)

    rebuild = await keeping.rebuilt()

    assert rebuild["state"] == "failed"
    assert "CME_ENROLMENT no longer hold 1 of the events" in rebuild["reason"]
    assert await keeping.rows(NAMES) == before


async def test_a_stream_without_its_beginning_makes_no_model(keeping: Keeping) -> None:
    person = PersonRegistered(person_id="per_1", given_name="A", family_name="B", email="a@example.org", language="en")
    await keeping.state_person(person, 1)
    await keeping.applied(1)
    await keeping.bus.jetstream.purge_stream("CME_ENROLMENT_PERSONAL")  # as its maximum age does

    rebuild = await keeping.rebuilt(PEOPLE)

    assert rebuild["state"] == "failed"
    assert rebuild["reason"].startswith("CME_ENROLMENT_PERSONAL begins with message 2")
    assert (await keeping.rows(PEOPLE))["per_1"]["name"] == "A"


async def test_a_model_of_two_streams_keeps_who_was_erased(keeping: Keeping) -> None:
    person = PersonRegistered(person_id="per_1", given_name="A", family_name="B", email="a@example.org", language="en")
    await keeping.state_person(person, 1)
    await keeping.state_person(PersonErased(person_id="per_1"), 2)
    await keeping.applied(2)
    await keeping.platform.database.collection(PEOPLE).delete({})

    assert (await keeping.rebuilt(PEOPLE))["changed"] == 1
    assert await keeping.rows(PEOPLE) == {"per_1": {"_id": "per_1", "erased": True}}


async def test_a_dead_letter_is_no_part_of_the_model(keeping: Keeping) -> None:
    await keeping.register("org_1", "first", "refused")
    await keeping.register("org_2", "second")
    await keeping.applied(2)

    assert (await keeping.rebuilt())["changed"] == 0
    assert await keeping.names() == {"org_1": "first", "org_2": "second"}


async def test_a_handler_that_does_more_than_write_its_model_is_refused(keeping: Keeping) -> None:
    await keeping.register("org_1", "first")
    await keeping.applied(1)
    keeping.emits.append("clu_1")

    rebuild = await keeping.rebuilt()

    assert rebuild["state"] == "failed"
    assert "does more than writing names" in rebuild["reason"]
    assert await keeping.platform.database.collection("outbox").count({}) == 0


async def test_models_are_listed_with_their_counts_for_those_who_may_see_them(keeping: Keeping) -> None:
    await keeping.register("org_1", "first", "second")
    await keeping.applied(2)

    names = (await keeping.ask("GET", "", "operations:read")).json()[0]

    assert names == {
        "name": NAMES,
        "types": ["com.clustereducation.enrolment.organisation.registered.v1"],
        "documents": 1,
        "events": 2,
        "rebuild": None,
    }
    assert (await keeping.ask("POST", "/nothing/rebuild")).status_code == 404
    assert (await keeping.ask("POST", f"/{NAMES}/rebuild", "operations:read")).status_code == 403


async def test_streams_are_rebuilt_on_request(keeping: Keeping) -> None:
    async def state(tx: Transaction) -> None:
        for place in range(3):
            await tx.emit(f"clu_{place}", ClusterRegistered(cluster_id=f"clu_{place}", country="SE"))

    async def published() -> None:
        async def all_there() -> bool:
            marked = await keeping.platform.database.collection("outbox").count({"published": True})
            return marked == (await keeping.bus.jetstream.stream_info("CME_OUTREACH")).state.messages == 3

        await eventually(all_there)

    async def ask(query: str = "") -> Any:
        headers = keeping.tokens.bearer("operator", "operations:write")
        url = f"/outreach/v1/operations/stream/rebuild{query}"
        return (await keeping.http.http.post(url, headers=headers)).json()

    await keeping.platform.outbox.transaction(state)
    await published()
    await keeping.bus.jetstream.delete_msg("CME_OUTREACH", 2)

    assert await ask("?dry_run=true") == {"dry_run": True, "events": 1}
    assert await ask() == {"dry_run": False, "events": 1}
    await published()
    assert await ask("?dry_run=true") == {"dry_run": True, "events": 0}
    with pytest.raises(NotFoundError):
        await keeping.bus.jetstream.consumer_info("CME_OUTREACH", "outreach_reader")
