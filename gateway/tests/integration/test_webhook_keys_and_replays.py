"""Keys that follow one another without a gap, and events that are told again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cme_contracts.curriculum import OfferingCancelled, OfferingPublished
from cme_contracts.enrolment import CallOpened
from cme_kit.ids import new_id
from gateway.clients.domain import Client
from gateway.webhooks import replays
from gateway.webhooks.domain import SCHEDULE, Signing, State
from gateway.webhooks.schemas import ReplayRequest, ReplayView, WebhookChange, WebhookView
from gateway.webhooks.service import TooManyKeys, secret_of
from standardwebhooks import WebhookVerificationError

from .receivers import Receiver, Reply, verify_v1, verify_v1a
from .webhook_rig import HOUR, MINUTE, SECOND, Rig, cancelled, client, rig

__all__ = ["client", "rig"]


async def rotate(
    rig: Rig, client: Client, webhook: WebhookView, signing: Signing | None = None
) -> tuple[WebhookView, str | None]:
    key = rig.webhooks.new_key(client, webhook.webhook_id, None)
    made = await rig.transaction(
        lambda tx: rig.webhooks.rotate(tx, client, webhook.webhook_id, signing, key, client.client_id)
    )
    return made, secret_of(made.signing, key)


async def test_for_a_day_both_keys_sign_then_the_new_one_alone(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    old = str(webhook.keys[0].public_key)
    rotated, _ = await rotate(rig, client, webhook)
    new = str(rotated.keys[-1].public_key)

    await rig.happen(cancelled())
    await rig.turn()
    await rig.happen(cancelled())
    await rig.turn(24 * HOUR + SECOND)

    within, afterwards = receiver.received
    assert verify_v1a(old, within) == verify_v1a(new, within)
    assert verify_v1a(new, afterwards)
    with pytest.raises(ValueError, match="no signature"):
        verify_v1a(old, afterwards)
    assert [key.ends_at is None for key in rotated.keys] == [False, True]
    assert [key.public_key for key in (await rig.webhooks.find(client, webhook.webhook_id)).keys] == [new]


async def test_a_shared_secret_may_be_followed_by_a_key_pair_and_both_verify(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    key = rig.webhooks.new_key(client, "create", "k")
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled, signing=Signing.SYMMETRIC)
    rotated, secret = await rotate(rig, client, webhook, Signing.ASYMMETRIC)
    again, next_secret = await rotate(rig, client, webhook, Signing.SYMMETRIC)

    await rig.happen(cancelled())
    await rig.turn()

    [got] = receiver.received
    assert secret is None
    assert verify_v1(str(secret_of(Signing.SYMMETRIC, key)), got)
    assert verify_v1a(str(rotated.keys[-1].public_key), got)
    assert verify_v1(str(next_secret), got)
    with pytest.raises(WebhookVerificationError):
        verify_v1("whsec_" + "bm9ib2R5J3Mgc2VjcmV0IG9mIHRoaXJ0eS10d28=", got)
    assert again.signing is Signing.SYMMETRIC
    with pytest.raises(TooManyKeys):
        await rotate(rig, client, webhook)


async def test_one_delivery_is_sent_again_under_its_own_id(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())
    await rig.turn()

    await rig.transaction(lambda tx: rig.log.resend(tx, client, webhook.webhook_id, event_id))
    await rig.turn(SECOND)

    first, second = receiver.received
    assert first.message_id == second.message_id == event_id
    assert first.body == second.body
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    log = (await rig.delivery(client, webhook, event_id)).log
    assert [attempt.cause for attempt in log] == ["event", "resend"]


async def test_a_failed_delivery_that_is_sent_again_has_its_whole_schedule(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    receiver.reply = lambda _: Reply(500)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    event_id = await rig.happen(cancelled())
    for wait in SCHEDULE:
        await rig.turn(wait * 1.2)
    assert (await rig.delivery(client, webhook, event_id)).state is State.FAILED
    await rig.transaction(lambda tx: rig.log.resend(tx, client, webhook.webhook_id, event_id))
    count = len(receiver.received)

    await rig.turn()
    receiver.reply = lambda _: Reply()
    await rig.turn(6 * SECOND)

    assert len(receiver.received) == count + 2
    assert (await rig.delivery(client, webhook, event_id)).state is State.DELIVERED


async def replay(rig: Rig, client: Client, webhook: WebhookView, **request: object) -> ReplayView:
    asked = ReplayRequest.model_validate({"since": rig.clock.now() - HOUR, **request})
    made = await rig.transaction(lambda tx: rig.log.replay(tx, client, webhook.webhook_id, asked))
    await rig.turn()
    await rig.turn()
    return await rig.log.find_replay(client, webhook.webhook_id, made.replay_id)


async def test_a_replay_tells_what_was_not_delivered_also_from_before_the_webhook_was_made(
    rig: Rig, client: Client, receiver: Receiver
) -> None:
    before = await rig.happen(cancelled())
    opened = await rig.happen(
        CallOpened(
            call_id=new_id("call"),
            cohort_id=new_id("coh"),
            programme_id=new_id("prg"),
            programme_version=1,
            seats=1,
            opens_at=rig.clock.now(),
            closes_at=rig.clock.now(),
        )
    )
    rig.clock.move(MINUTE)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled, OfferingPublished)
    delivered = await rig.happen(cancelled())
    await rig.turn()

    done = await replay(rig, client, webhook)

    assert [got.message_id for got in receiver.received] == [delivered, before]
    assert (done.state, done.scheduled) == ("done", 1)
    assert opened not in await rig.states(client, webhook)
    everything = await replay(rig, client, webhook, include_delivered=True)
    assert everything.scheduled == 2
    assert sorted(got.message_id for got in receiver.received[2:]) == sorted([before, delivered])


async def test_a_replay_has_a_beginning_and_an_end(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingPublished)
    changed = WebhookChange.model_validate({"event_types": ["com.clustereducation.curriculum.offering.cancelled.v1"]})
    ids = []
    for _ in range(3):
        ids.append(await rig.happen(cancelled()))
        await asyncio.sleep(0.005)
    await rig.transaction(lambda tx: rig.webhooks.change(tx, client, webhook.webhook_id, changed, 1, "owner"))
    rig.clock.move(MINUTE)
    middle = _moment_of(ids[1])

    await replay(rig, client, webhook, since=middle, until=middle + timedelta(milliseconds=1))

    assert [got.message_id for got in receiver.received] == [ids[1]]


def _moment_of(event_id: str) -> datetime:
    return datetime.fromtimestamp(int(event_id.replace("-", "")[:12], 16) / 1000, UTC)


async def test_a_replay_that_is_killed_between_two_steps_goes_on_where_it_was(
    rig: Rig, client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "STEP", 2)
    events = [await rig.happen(cancelled()) for _ in range(7)]
    rig.clock.move(MINUTE)
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    asked = ReplayRequest.model_validate({"since": rig.clock.now() - HOUR})
    made = await rig.transaction(lambda tx: rig.log.replay(tx, client, webhook.webhook_id, asked))
    again = rig.parts.worker.besides
    assert again is not None
    step = replays.Replays._step
    monkeypatch.setattr(replays.Replays, "_step", _only(2, step))

    with pytest.raises(ConnectionError):
        await again()
    halfway = await rig.log.find_replay(client, webhook.webhook_id, made.replay_id)
    monkeypatch.setattr(replays.Replays, "_step", step)
    await rig.turn()
    await rig.turn()

    assert (halfway.state, halfway.scheduled) == ("running", 4)
    assert sorted(got.message_id for got in receiver.received) == sorted(events)


def _only(times: int, step: object) -> object:
    left = [times]

    async def stepping(self: replays.Replays, replay_id: str) -> bool:
        if not left[0]:
            raise ConnectionError("killed here")
        left[0] -= 1
        return bool(await step(self, replay_id))  # type: ignore[operator]

    return stepping


async def test_samples_are_not_replayed(rig: Rig, client: Client, receiver: Receiver) -> None:
    webhook = await rig.webhook(client, receiver.url, OfferingCancelled)
    type_ = "com.clustereducation.curriculum.offering.cancelled.v1"
    await rig.transaction(lambda tx: rig.samples.trigger(tx, client, type_))
    await rig.turn()

    done = await replay(rig, client, webhook, include_delivered=True)

    assert len(receiver.received) == 1
    assert done.scheduled == 0
