"""A data directory from before the accounts had names keeps its streams, its consumers and how far those are."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import pytest
from cme_kit.streams import provision_consumer
from cme_kit.testing import QUIET
from cme_local.engines import nats_command
from cme_local.processes import Ports
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from .conftest import eventually, free_base

pytestmark = pytest.mark.timeout(60)


@contextmanager
def server(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command, **QUIET)
    try:
        eventually(lambda: _listens(port))
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_streams_of_an_unnamed_account_are_those_of_the_live_one(tmp_path: Path) -> None:
    ports, secrets = Ports(free_base()), load_or_create(tmp_path)
    old = tmp_path / "old.conf"
    old.write_text(
        f'listen: "127.0.0.1:{ports.nats}"\n'
        f'jetstream {{ store_dir: "{tmp_path / "nats"}", sync_interval: always }}\n'
        "authorization { user: old, password: old }\n"
    )
    with server([nats_command(tmp_path, ports, secrets)[0], "--config", str(old)], ports.nats) as url:
        bus = await nats.connect(url, user="old", password="old")
        jetstream = bus.jetstream()
        await jetstream.add_stream(StreamConfig(name="CME_OUTREACH", subjects=["cme.outreach.>"]))
        await provision_consumer(jetstream, "CME_OUTREACH", "webhooks", ["cme.outreach.>"])
        for number in range(3):
            await jetstream.publish("cme.outreach.campaign.finished.v1", str(number).encode())
        await _take(jetstream, 2)
        await bus.close()

    with server(nats_command(tmp_path, ports, secrets), ports.nats) as url:
        bus = await nats.connect(url, user=NATS_TOOL_USER, password=secrets.nats_passwords[NATS_TOOL_USER])
        left = await _take(bus.jetstream(), 1)
        state = (await bus.jetstream().stream_info("CME_OUTREACH")).state
        await bus.close()

    assert left == [b"2"]
    assert state.messages == 3


async def _take(jetstream: JetStreamContext, count: int) -> list[bytes]:
    consumer = await jetstream.pull_subscribe_bind("webhooks", "CME_OUTREACH")
    messages = await consumer.fetch(count, timeout=5)
    for message in messages:
        await message.ack_sync()
    return [message.data for message in messages]
