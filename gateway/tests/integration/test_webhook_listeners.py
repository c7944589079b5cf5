"""Who listens, without HTTP in front: what somebody who comes back has missed, and how many may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from cme_contracts import event_type_of
from cme_contracts.curriculum import OfferingCancelled
from gateway.clients.domain import Client
from gateway.webhooks import listening
from gateway.webhooks.domain import Signing
from gateway.webhooks.listening import MOST_PER_CLIENT, TooManyListeners

from .webhook_rig import Rig, cancelled, rig

__all__ = ["rig"]


@pytest.fixture
async def streams() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def begun(streams: AsyncExitStack, rig: Rig, client: Client, last: str | None = None) -> AsyncIterator[bytes]:
    """A stream whose first event was read."""
    made: Any = await rig.parts.listening.begin(client, frozenset(), Signing.SYMMETRIC, last, lambda: True)
    await streams.enter_async_context(aclosing(made))
    assert (await told(made))[0] == "ready"
    return made


async def told(stream: AsyncIterator[bytes]) -> tuple[str, Any]:
    """The next event: its name, and its id or what is in it."""
    fields = dict(line.split(": ", 1) for line in (await anext(stream)).decode().splitlines() if line)
    return fields["event"], fields.get("id") or json.loads(fields["data"])


async def test_what_others_were_told_keeps_nothing_from_who_comes_back(
    rig: Rig, streams: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MISSED_AT_ONCE", 3)
    client, stranger = await rig.client(), await rig.client()
    last = await rig.happen(cancelled())
    for _ in range(7):
        await rig.transaction(lambda tx: rig.samples.trigger(tx, stranger, event_type_of(OfferingCancelled).type))
    missed = [await rig.happen(cancelled()) for _ in range(7)]

    stream = await begun(streams, rig, client, last)

    assert [await told(stream) for _ in missed] == [("delivery", event_id) for event_id in missed]


async def test_what_is_too_much_to_be_told_again_is_reported_as_dropped(
    rig: Rig, streams: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MISSED_AT_ONCE", 2)
    monkeypatch.setattr(listening, "LOOKS", 2)
    client = await rig.client()
    last, *missed = [await rig.happen(cancelled()) for _ in range(8)]

    stream = await begun(streams, rig, client, last)

    assert [await told(stream) for _ in range(4)] == [("delivery", event_id) for event_id in missed[:4]]
    assert await told(stream) == ("dropped", {"messages": 3})


async def test_clients_of_one_owner_leave_room_for_others(
    rig: Rig, streams: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_PER_OWNER", 2)
    for _ in range(2):
        await begun(streams, rig, await rig.client(owner="per_1"))

    with pytest.raises(TooManyListeners, match="Your clients listen 2 times already"):
        await begun(streams, rig, await rig.client(owner="per_1"))

    await begun(streams, rig, await rig.client(owner="per_2"))
    await begun(streams, rig, await rig.client())


async def test_streams_that_are_opened_at_once_are_counted_too(rig: Rig, streams: AsyncExitStack) -> None:
    client = await rig.client()

    opened = await asyncio.gather(*(begun(streams, rig, client) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(one, TooManyListeners) for one in opened) == 8 - MOST_PER_CLIENT


async def test_who_is_refused_is_told_what_to_do_instead(
    rig: Rig, streams: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST", 1)
    await begun(streams, rig, await rig.client())

    with pytest.raises(TooManyListeners, match="Try again in a moment, or use a webhook"):
        await begun(streams, rig, await rig.client())
