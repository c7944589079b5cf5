"""What the gateway's user may do on the bus of a local stack."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from cme_kit.streams import dead_letter_stream, owned_streams, provision_consumer, provision_streams
from cme_kit.testing import Broker, free_port
from cme_local import engines
from cme_local.bus_users import CONSUMED, NOTICES
from cme_local.processes import Ports
from cme_local.secrets import NATS_TOOL_USER, StackSecrets, load_or_create
from nats.aio.client import Client

EVENT = "cme.enrolment.learner.enrolled.v1"


@dataclass
class Stack:
    """A broker configured as a stack's, and its passwords."""

    url: str
    secrets: StackSecrets

    @asynccontextmanager
    async def user(self, name: str, errors: asyncio.Queue[Exception] | None = None) -> AsyncIterator[Client]:
        refused: asyncio.Queue[Exception] = errors or asyncio.Queue()
        password = self.secrets.nats_passwords[name]
        client = await nats.connect(
            self.url, user=name, password=password, error_cb=refused.put, inbox_prefix=f"_INBOX_{name}"
        )
        yield client
        await client.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    secrets, ports = load_or_create(tmp_path), Ports(30_000)
    server = Broker(tmp_path, configuration := tmp_path / "nats.json")
    config = json.loads(engines.nats_config(tmp_path, ports, secrets, ports.broker[0]))
    config |= {"port": server.port, "http": f"127.0.0.1:{free_port()}"}
    configuration.write_text(json.dumps(config), encoding="utf-8")
    server.start()
    yield Stack(server.url, secrets)
    server.kill()


async def test_it_reads_events_keeps_dead_letters_and_exchanges_notices(stack: Stack) -> None:
    async with stack.user(NATS_TOOL_USER) as tool:
        await provision_streams(tool.jetstream(), owned_streams("enrolment"))
        await tool.jetstream().publish(EVENT, b"{}")
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    async with stack.user("gateway", refused) as gateway:
        jetstream = gateway.jetstream(timeout=5)
        await provision_streams(jetstream, [dead_letter_stream("gateway")])
        await provision_consumer(jetstream, "CME_ENROLMENT", "gateway", [EVENT])
        pulled = await jetstream.pull_subscribe_bind("gateway", "CME_ENROLMENT")
        [message] = await pulled.fetch(1, timeout=5)
        await message.ack_sync()
        buried = await jetstream.publish(f"cme.dlq.gateway.{EVENT}", b"{}")
        assert (await jetstream.get_msg("CME_GATEWAY_DEAD_LETTERS", buried.seq)).data == b"{}"
        await jetstream.delete_msg("CME_GATEWAY_DEAD_LETTERS", buried.seq)
        notices = await gateway.subscribe(NOTICES)
        await gateway.publish(NOTICES, b"{}")

        assert (await notices.next_msg(timeout=5)).data == b"{}"
        assert refused.empty()


async def test_it_may_do_nothing_else(stack: Stack) -> None:
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    async with stack.user("gateway", refused) as gateway:
        for subject in (
            EVENT,
            "cme.gateway.webhook.disabled.v1",
            "cme.relay.enrolment",
            "cme.dlq.enrolment.x",
            "$JS.API.STREAM.CREATE.CME_GATEWAY",
            "$JS.API.STREAM.MSG.GET.CME_ENROLMENT",
            "$JS.API.STREAM.DELETE.CME_GATEWAY_DEAD_LETTERS",
            "$JS.API.CONSUMER.CREATE.CME_ENROLMENT_PERSONAL.gateway",
            "$JS.API.CONSUMER.MSG.NEXT.CME_ENROLMENT.assessment",
            "$JS.API.CONSUMER.DELETE.CME_ENROLMENT.gateway",
            "$JS.ACK.CME_ENROLMENT.assessment.1.1.1.1.0",
        ):
            await gateway.publish(subject, b"{}")
            assert subject.lower() in str(await asyncio.wait_for(refused.get(), 5)).lower()
        for inbox in ("_INBOX.>", "_INBOX_enrolment.>", "cme.>", "cme.relay.enrolment"):
            await gateway.subscribe(inbox)
            assert "permissions violation" in str(await asyncio.wait_for(refused.get(), 5)).lower(), inbox


async def test_no_service_hears_or_tells_what_the_gateway_tells_itself(stack: Stack) -> None:
    for service in set(CONSUMED) - {"gateway"}:
        refused: asyncio.Queue[Exception] = asyncio.Queue()
        async with stack.user(service, refused) as client:
            await client.publish(NOTICES, b"{}")
            assert "permissions violation" in str(await asyncio.wait_for(refused.get(), 5)).lower()
            await client.subscribe(NOTICES)
            assert "permissions violation" in str(await asyncio.wait_for(refused.get(), 5)).lower()


def test_a_stack_of_before_the_gateway_was_on_the_bus_gets_a_password_for_it(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    path = tmp_path / "secrets.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    del kept["nats_passwords"]["gateway"]
    path.write_text(json.dumps(kept), encoding="utf-8")

    later = load_or_create(tmp_path)

    assert later.nats_passwords["gateway"]
    assert later.nats_passwords["enrolment"] == made.nats_passwords["enrolment"]
    assert later == load_or_create(tmp_path)
