"""What happens in the sandbox is told to the webhooks of sandbox clients, and to no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_contracts.enrolment import LearnerEnrolled
from cme_kit import listening
from cme_kit.ids import new_id
from cme_kit.testing import Broker, Bus, Engines, eventually

from .webhook_rig import Rig, rigged

LEARNERS = "enrolment.learners:read"


def enrolled() -> LearnerEnrolled:
    return LearnerEnrolled(
        enrolment_id=new_id("enr"),
        application_id=new_id("app"),
        person_id=new_id("per"),
        organisation_id=new_id("org"),
        country="LT",
        call_id=new_id("call"),
        cohort_id=new_id("coh"),
        programme_id=new_id("prg"),
        programme_version=1,
    )


def cancelled() -> OfferingCancelled:
    return OfferingCancelled(offering_id=new_id("off"), programme_id=new_id("prg"), reason="Too few")


@pytest.fixture
async def rig(engines: Engines, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(listening, "LOOK_SECONDS", 0.05)
    sandbox = {"sandbox_nats_url": broker.url, "sandbox_nats_user": "test", "sandbox_nats_password": "test"}
    async with rigged(engines, **sandbox) as made:
        yield made


@pytest.fixture
async def made_up(broker: Broker) -> AsyncIterator[Bus]:
    """The sandbox's bus, where nothing was ever stated."""
    connection = await nats.connect(broker.url, user="test", password="test")
    yield Bus(connection.jetstream())
    await connection.close()


async def told(rig: Rig, **fields: Any) -> Any:
    """A client's webhook for both events; call what is returned for the ids that it has deliveries of."""
    client = await rig.client(LEARNERS, **fields)
    webhook = await rig.webhook(client, "http://127.0.0.1:1024/hook", LearnerEnrolled, OfferingCancelled)

    async def ids() -> set[str]:
        return set(await rig.states(client, webhook))

    return ids


async def test_sandbox_clients_are_told_of_all_that_their_scopes_allow(rig: Rig, made_up: Bus) -> None:
    of_a_partner = await told(rig, sandbox=True, organisation_id=new_id("org"), owner="per_1")
    of_the_operators = await told(rig, sandbox=True)
    live = await told(rig)

    async with rig.parts.sandbox.running():
        stated = {str((await made_up.publish(e.enrolment_id, e)).id) for e in (enrolled(), enrolled())}
        offering = cancelled()
        stated.add(str((await made_up.publish(offering.offering_id, offering)).id))

        async def all_there() -> bool:
            return await of_a_partner() == stated == await of_the_operators()

        await eventually(all_there)

    assert await live() == set()


async def test_what_is_real_is_told_to_no_sandbox_client(rig: Rig) -> None:
    sandbox, live = await told(rig, sandbox=True), await told(rig)

    message_id = await rig.happen(enrolled())

    assert await live() == {message_id}
    assert await sandbox() == set()


async def test_an_event_that_comes_twice_is_told_once_and_goes_on_after_a_restart(rig: Rig, made_up: Bus) -> None:
    sandbox = await told(rig, sandbox=True)
    event = enrolled()
    first = await made_up.publish(event.enrolment_id, event)

    async with rig.parts.sandbox.running():
        await eventually(sandbox)
    again = await made_up.publish(event.enrolment_id, event, event_id=str(first.id))
    second = await made_up.publish((other := enrolled()).enrolment_id, other)

    assert again.id == first.id
    async with rig.parts.sandbox.running():

        async def both() -> bool:
            return await sandbox() == {str(first.id), str(second.id)}

        await eventually(both)


async def test_a_gateway_without_a_sandbox_consumes_nothing(engines: Engines) -> None:
    async with rigged(engines) as alone, alone.parts.sandbox.running():
        sandbox = await told(alone, sandbox=True)

        await alone.happen(enrolled())

        assert await sandbox() == set()
