"""Webhooks that end: their receiver is gone or fails for days, their owner disables them, or their client is."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from cme_contracts.curriculum import OfferingCancelled
from cme_contracts.gateway import WebhookDisabled
from cme_kit.problems import NotFound
from gateway.clients.domain import Client, ClientStatus
from gateway.webhooks.domain import State
from gateway.webhooks.schemas import WebhookChange, WebhookView

from .receivers import Received, Receiver, Reply, another_receiver, verify_v1a
from .webhook_rig import HOUR, MINUTE, SECOND, Rig, cancelled, client, rig

__all__ = ["another_receiver", "client", "rig"]


async def test_gone_disables_the_webhook_and_the_clients_other_webhooks_are_told(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(410)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    watching = await rig.webhook(client, another_receiver.url, WebhookDisabled)
    stranger = await rig.webhook(await rig.client(), another_receiver.url, WebhookDisabled)
    first = await rig.happen(cancelled())
    await rig.turn()
    later = await rig.happen(cancelled())

    await rig.turn()

    disabled = await rig.webhooks.find(client, webhook.webhook_id)
    assert (disabled.status, disabled.disabled_reason) == ("disabled", "gone")
    assert disabled.disabled_at == rig.clock.now()
    assert rig.written_to == [client]
    assert await rig.states(client, webhook) == {first: State.FAILED}
    [told] = another_receiver.received
    event = verify_v1a(str(watching.keys[0].public_key), told)
    assert event["type"] == "com.clustereducation.gateway.webhook.disabled.v1"
    assert event["data"] == {
        "webhook_id": webhook.webhook_id,
        "reason": "gone",
        "failing_since": None,
        "disabled_at": event["data"]["disabled_at"],
    }
    assert (event["source"], event["subject"], event["sequence"]) == ("/gateway", webhook.webhook_id, 1)
    assert stranger.client_id != client.client_id
    entry = await rig.database.collection("audit_entries").find_one({"act": "webhook.disabled"})
    assert entry is not None
    assert (entry["actor"], entry["subject"]) == ("system", webhook.webhook_id)
    assert len(receiver.of(later)) == 0


async def test_five_days_without_a_success_disable_and_cancel_what_is_pending(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(500)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)

    for _ in range(6):
        await rig.happen(cancelled())
        for wait in (0 * HOUR, MINUTE, 10 * MINUTE, HOUR, 22 * HOUR):
            await rig.turn(wait)

    disabled = await rig.webhooks.find(client, webhook.webhook_id)
    assert (disabled.status, disabled.disabled_reason) == ("disabled", "failing")
    states = set((await rig.states(client, webhook)).values())
    assert State.PENDING not in states
    assert State.CANCELLED in states
    count = len(receiver.received)
    await rig.turn(30 * HOUR)
    assert len(receiver.received) == count


async def test_one_success_ends_the_count_of_days(rig: Rig, client: Client, receiver: Receiver) -> None:
    receiver.reply = lambda _: Reply(500)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())
    await rig.turn()
    receiver.reply = lambda _: Reply(204)

    await rig.turn(6 * SECOND)

    well = await rig.webhooks.find(client, webhook.webhook_id)
    assert (well.status, well.failing_since) == ("active", None)


async def test_a_disabled_client_is_told_nothing(rig: Rig, client: Client, receiver: Receiver) -> None:
    await rig.webhook(client, receiver.url, OfferingCancelled)
    await rig.happen(cancelled())
    await rig.transaction(lambda tx: rig.clients.set_status(tx, client.client_id, ClientStatus.DISABLED, "test"))

    await rig.turn()
    await rig.happen(cancelled())
    await rig.turn()

    assert receiver.received == []


async def test_the_webhooks_of_a_removed_client_are_gone_with_it(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    kept = await rig.webhook(await rig.client(), receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())

    await rig.transaction(lambda tx: rig.clients.remove(tx, client.client_id, "test"))
    await rig.turn()

    with pytest.raises(NotFound):
        await rig.webhooks.find(client, webhook.webhook_id)
    rows = await rig.database.collection("webhook_deliveries").find({})
    assert [(row["webhook_id"], row["state"]) for row in rows] == [(kept.webhook_id, "delivered")]
    assert [got.message_id for got in receiver.received] == [event_id]


async def test_a_webhook_that_its_owner_disables_gets_nothing_and_goes_on_when_active_again(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    pending = await rig.happen(cancelled())

    async def change(status: str, revision: int) -> None:
        await rig.transaction(
            lambda tx: rig.webhooks.change(
                tx, client, webhook.webhook_id, WebhookChange(status=status), revision, "owner"
            )
        )

    await change("disabled", 1)
    missed = await rig.happen(cancelled())
    await rig.turn()
    assert receiver.received == []
    await change("active", 2)
    later = await rig.happen(cancelled())
    await rig.turn()

    assert [got.message_id for got in receiver.received] == [later]
    assert await rig.states(client, webhook) == {pending: State.CANCELLED, later: State.DELIVERED}
    assert missed not in await rig.states(client, webhook)


class Answer:
    """An answer of a receiver that comes when the test says so."""

    def __init__(self, receiver: Receiver, status: int) -> None:
        self._receiver = receiver
        self._status = status
        self._due = threading.Event()
        receiver.reply = self._reply

    def _reply(self, _: Received) -> Reply:
        self._due.wait(20)
        return Reply(self._status)

    async def asked_for(self, rig: Rig) -> None:
        """The attempt has begun."""
        await rig.begin()
        await asyncio.to_thread(self._receiver.wait, 1)

    async def given(self, rig: Rig) -> None:
        """The attempt has ended."""
        self._due.set()
        await rig.idle()


async def change(rig: Rig, client: Client, webhook: WebhookView, revision: int, **fields: Any) -> None:
    changed = WebhookChange(**fields)
    await rig.transaction(
        lambda tx: rig.webhooks.change(tx, client, webhook.webhook_id, changed, revision, client.client_id)
    )


async def test_gone_from_the_address_before_ends_nothing_at_the_new_one(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())
    answer = Answer(receiver, 410)
    await answer.asked_for(rig)
    await change(rig, client, webhook, 1, url=another_receiver.url)
    later = await rig.happen(cancelled())

    await answer.given(rig)
    await rig.look()

    moved = await rig.webhooks.find(client, webhook.webhook_id)
    assert (moved.status, moved.url, moved.failing_since) == ("active", another_receiver.url, None)
    assert rig.written_to == []
    assert sorted(got.message_id for got in another_receiver.received) == sorted([event_id, later])
    assert await rig.states(client, webhook) == {event_id: State.DELIVERED, later: State.DELIVERED}


async def test_a_failure_at_the_address_before_says_nothing_of_the_new_one(
    rig: Rig, client: Client, receiver: Receiver, another_receiver: Receiver
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())
    answer = Answer(receiver, 503)
    await answer.asked_for(rig)
    await change(rig, client, webhook, 1, url=another_receiver.url)

    await answer.given(rig)

    assert (await rig.webhooks.find(client, webhook.webhook_id)).failing_since is None
    assert (await rig.delivery(client, webhook, event_id)).last_status == 503


@pytest.mark.parametrize("status", [410, 429, 500])
async def test_an_attempt_from_before_a_webhook_was_made_active_again_says_nothing_of_it(
    rig: Rig, client: Client, receiver: Receiver, status: int
) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())
    answer = Answer(receiver, status)
    await answer.asked_for(rig)
    await change(rig, client, webhook, 1, status="disabled")
    await change(rig, client, webhook, 2, status="active")

    await answer.given(rig)

    active = await rig.webhooks.find(client, webhook.webhook_id)
    assert (active.status, active.failing_since, active.paused_until) == ("active", None, None)
    assert await rig.states(client, webhook) == {event_id: State.CANCELLED}
