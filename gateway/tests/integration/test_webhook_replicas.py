"""Replicas that deliver side by side, and what one of them leaves behind."""

from __future__ import annotations

import asyncio

from cme_contracts.curriculum import OfferingCancelled
from cme_kit.testing import Engines
from gateway.webhooks.domain import State

from .receivers import Receiver, Reply
from .webhook_rig import SECOND, ManualClock, cancelled, rigged


async def test_two_replicas_make_each_attempt_once(engines: Engines, receiver: Receiver) -> None:
    clock = ManualClock()
    async with (
        rigged(engines, name="wtwo_", clock=clock) as one,
        rigged(engines, name="wtwo_", clock=clock) as two,
    ):
        client = await one.client()
        await one.webhook(client, receiver.url, OfferingCancelled)
        events = [await one.happen(cancelled()) for _ in range(30)]

        while len(receiver.received) < len(events):
            await asyncio.gather(one.turn(), two.turn())
        await asyncio.gather(one.turn(), two.turn())

    assert sorted(got.message_id for got in receiver.received) == sorted(events)


async def test_what_a_replica_that_vanished_had_begun_is_taken_up_by_another(
    engines: Engines, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(after=30)
    clock = ManualClock()
    async with rigged(engines, name="wgone_", clock=clock) as gone:
        client = await gone.client()
        webhook = await gone.webhook(client, receiver.url, OfferingCancelled)
        event_id = await gone.happen(cancelled())
        await gone.begin()
        await asyncio.to_thread(receiver.wait, 1)
        async with rigged(engines, name="wgone_", clock=clock) as other:
            receiver.reply = lambda _: Reply()
            await other.turn(10 * SECOND)
            early = len(receiver.received)

            await other.turn(30 * SECOND)

            assert early == 1
            assert [got.message_id for got in receiver.received] == [event_id, event_id]
            assert (await other.delivery(client, webhook, event_id)).state is State.DELIVERED


async def test_what_a_replica_that_stops_had_begun_is_due_at_once(engines: Engines, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(after=30)
    clock = ManualClock()
    async with rigged(engines, name="wstop_", clock=clock) as stopping:
        client = await stopping.client()
        await stopping.webhook(client, receiver.url, OfferingCancelled)
        event_id = await stopping.happen(cancelled())
        await stopping.begin()
        await asyncio.to_thread(receiver.wait, 1)
    receiver.reply = lambda _: Reply()

    async with rigged(engines, name="wstop_", clock=clock) as other:
        await other.turn()

    assert [got.message_id for got in receiver.received] == [event_id, event_id]
