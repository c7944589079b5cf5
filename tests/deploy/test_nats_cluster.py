"""The production configuration of three NATS servers, run: only the addresses are other ones."""

import asyncio
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from cme_kit.streams import ProvisioningError, owned_streams, provision_streams
from cme_kit.testing import eventually, free_port
from nats.aio.client import Client
from nats.errors import Error as NatsError

FILES = Path(__file__).resolve().parents[2] / "deploy" / "nats"
NAMES = ("nats-0", "nats-1", "nats-2")
USERS = ("ENROLMENT", "CURRICULUM", "ASSESSMENT", "CREDENTIALS", "OUTREACH", "GATEWAY", "ROUTES")


@dataclass
class Cluster:
    """Three servers by name, and the URL that services get."""

    servers: dict[str, subprocess.Popen[bytes]]
    url: str


@pytest.fixture
def tags(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The machine of each server; a test may say otherwise."""
    return getattr(request, "param", ("host:a", "host:b", "host:c"))


@pytest.fixture
def cluster(tmp_path: Path, tags: tuple[str, ...]) -> Iterator[Cluster]:
    routes = {name: free_port() for name in NAMES}
    clients = {name: free_port() for name in NAMES}
    reached = ", ".join(f'"nats-route://routes:secret@127.0.0.1:{port}"' for port in routes.values())
    passwords = {f"NATS_PASSWORD_{user}": "secret" for user in USERS}
    servers = {}
    for name, tag in zip(NAMES, tags, strict=True):
        folder = tmp_path / name
        folder.mkdir()
        addresses = {
            "0.0.0.0:4222": f"127.0.0.1:{clients[name]}",
            "0.0.0.0:6222": f"127.0.0.1:{routes[name]}",
            "0.0.0.0:8222": f"127.0.0.1:{free_port()}",
            '"/data"': f'"{folder}"',
        }
        for file in ("cluster.conf", "server.conf"):
            text = (FILES / file).read_text(encoding="utf-8")
            for written, here in addresses.items():
                text = text.replace(written, here)
            (folder / file).write_text(text, encoding="utf-8")
        command = [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "--config", str(folder / "cluster.conf")]
        mine = {"NATS_NAME": name, "NATS_TAG": tag, "NATS_ROUTES": f"[{reached}]"}
        servers[name] = subprocess.Popen(
            command, env=os.environ | passwords | mine, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    yield Cluster(servers, ",".join(f"nats://127.0.0.1:{port}" for port in clients.values()))
    for server in servers.values():
        server.kill()
        server.wait()


async def connected(cluster: Cluster) -> Client:
    async def connection() -> Client | None:
        try:
            return await nats.connect(
                cluster.url.split(","),
                user="enrolment",
                password="secret",
                inbox_prefix="_INBOX_enrolment",
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
                error_cb=quiet,
            )
        except (OSError, NatsError):
            return None

    client: Client = await eventually(connection, 20)
    return client


async def quiet(_: Exception) -> None:
    """A server is away because the test took it away."""


async def test_a_stream_outlives_the_server_that_leads_it(cluster: Cluster) -> None:
    client = await connected(cluster)
    jetstream = client.jetstream(timeout=2)
    wanted = owned_streams("enrolment", replicas=3)

    async def provisioned() -> bool:
        try:
            await provision_streams(jetstream, wanted)
        except (NatsError, TimeoutError):
            return False
        return True

    async def published() -> bool:
        try:
            await jetstream.publish("cme.enrolment.learner.enrolled.v1", b"{}", headers={"Nats-Msg-Id": "second"})
        except (NatsError, TimeoutError):
            return False
        return True

    await eventually(provisioned, 30)
    await jetstream.publish("cme.enrolment.learner.enrolled.v1", b"{}", headers={"Nats-Msg-Id": "first"})
    before = await jetstream.stream_info("CME_ENROLMENT")
    assert before.cluster is not None
    assert before.cluster.leader is not None
    assert len(before.cluster.replicas or []) == 2
    cluster.servers[before.cluster.leader].kill()

    await eventually(published, 30)

    after = await jetstream.stream_info("CME_ENROLMENT")
    assert after.cluster is not None
    assert after.cluster.leader not in {None, before.cluster.leader}
    assert after.state.messages == 2
    await client.close()


@pytest.mark.parametrize("tags", [("host:a", "host:b", "host:b")], indirect=True)
async def test_copies_of_a_stream_on_one_machine_are_refused(cluster: Cluster) -> None:
    client = await connected(cluster)
    jetstream = client.jetstream(timeout=2)

    async def refusal() -> str:
        try:
            await provision_streams(jetstream, owned_streams("enrolment", replicas=3))
        except (NatsError, TimeoutError, ProvisioningError) as error:
            return str(error) if "peers" in str(error) else ""
        pytest.fail("three copies were made on two machines")

    await asyncio.sleep(2)  # until all three are there: before, the refusal would say nothing
    assert "no suitable peers for placement" in await eventually(refusal, 30)
    await client.close()
