"""A pytest plugin for every service: real engines, real tokens, foreign events, no sockets in unit tests."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
import pytest_socket
from cme_contracts import CloudEvent, Event, event_type_of
from cme_contracts.envelope import SCHEMA_BASE
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey
from nats.js import JetStreamContext
from pydantic import SecretStr
from pymongo import MongoClient

from cme_kit.auth import TokenVerifier
from cme_kit.clock import SystemClock
from cme_kit.documented import Documented
from cme_kit.ids import new_event_id, new_id
from cme_kit.settings import DeployableSettings, ServiceSettings
from cme_kit.streams import owned_streams, provision_streams, stream_of

ISSUER = "http://gateway.test"
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Unit tests open no socket."""
    if "unit" in item.path.parts:
        pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Give sockets back to the other tests."""
    if "unit" in item.path.parts:
        pytest_socket.enable_socket()


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Engines:
    """The addresses of the running engines."""

    mongo_url: str
    nats_url: str

    def settings(self, kind: type[DeployableSettings] = ServiceSettings, **fields: Any) -> Any:
        """Settings of a service on these engines."""
        values: dict[str, Any] = {
            "public_url": ISSUER,
            "jwks_url": f"{ISSUER}/oauth/jwks",
            "mongo_url": SecretStr(self.mongo_url),
            "nats_url": self.nats_url,
            "nats_user": "test",
            "nats_password": SecretStr("test"),
        }
        return kind(**{**values, **fields})


def _engine(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: run `uv sync --group engines`")
    return found


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing answers on port {port}")


class Broker:
    """A NATS server of the tests, which can be killed and started again on the same data."""

    def __init__(self, home: Path, configuration: Path | None = None) -> None:
        """With its own configuration when a test has one, which says to listen on `port`."""
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._home = home
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        config = self._configuration or self._written()
        self._process = subprocess.Popen([_engine("nats-server"), "-c", str(config)], cwd=self._home, **QUIET)
        _wait_for(self.port, self._process)

    def _written(self) -> Path:
        config = self._home / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 1MB\n'
            f'jetstream {{ store_dir: "{self._home / "js"}", max_file_store: 50GB, sync_interval: always }}\n'
            "authorization { user: test, password: test }\n"
        )
        return config

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A NATS server for one test, running."""
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """A NATS server and a MongoDB wire server of their own, for the whole test run."""
    home: Path = tmp_path_factory.mktemp("engines")
    nats_server, mongo_port = Broker(home), free_port()
    command = [
        _engine("secantusd-py"),
        "--port",
        str(mongo_port),
        "--storage-path",
        str(home / "db"),
        "--sync-on-commit",
    ]
    mongo = subprocess.Popen([*command, "--cache-size", "128M"], cwd=home, **QUIET)
    try:
        nats_server.start()
        _wait_for(mongo_port, mongo)
        yield Engines(f"mongodb://127.0.0.1:{mongo_port}/?directConnection=true", nats_server.url)
    finally:
        nats_server.kill()
        mongo.kill()
        mongo.wait()


class Tokens:
    """Access tokens as the gateway would issue them."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "test-key", "use": "sig", "alg": "ES256"}, private=True)

    def issue(self, subject: str, *scopes: str, org: str | None = None, **claims: Any) -> str:
        """A signed token; claims can be overridden to make it wrong."""
        now = int(time.time())
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": subject,
            "client_id": subject if not subject.startswith("per_") else "test-app",
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + 300,
            "jti": secrets.token_hex(8),
        }
        if org:
            body["org"] = org
        header = {"alg": "ES256", "kid": "test-key", "typ": "at+jwt"}
        return jwt.encode(header, {**body, **claims}, self.key)

    def bearer(self, subject: str, *scopes: str, org: str | None = None) -> dict[str, str]:
        """The Authorization header of a caller."""
        return {"Authorization": f"Bearer {self.issue(subject, *scopes, org=org)}"}

    def verifier(self) -> TokenVerifier:
        """A verifier that reads this key without a network."""

        async def key_set() -> Any:
            return {"keys": [self.key.as_dict(private=False)]}

        return TokenVerifier(ISSUER, ISSUER, key_set)


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    """One key for the whole run."""
    return Tokens()


class Bus:
    """The other services, as far as their events go."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self.jetstream = jetstream
        self._sequences: dict[str, int] = {}

    async def publish(self, aggregate_id: str, event: Event, *, event_id: str | None = None) -> CloudEvent:
        """Publish an event of another service; give `event_id` again to send a duplicate."""
        declared = event_type_of(type(event))
        self._sequences[aggregate_id] = self._sequences.get(aggregate_id, 0) + 1
        envelope = CloudEvent(
            id=event_id or new_event_id(),  # type: ignore[arg-type]
            source=f"/{declared.service}",
            type=declared.type,
            subject=aggregate_id,
            time=SystemClock().now(),
            dataschema=SCHEMA_BASE + declared.schema_file,
            sequence=self._sequences[aggregate_id],
            data=event.model_dump(mode="json"),
        )
        await provision_streams(self.jetstream, owned_streams(declared.service))
        await self.jetstream.publish(declared.subject, envelope.model_dump_json(exclude_none=True).encode())
        return envelope

    async def published(self, model: type[Event]) -> list[CloudEvent]:
        """Every event of a type in its stream, oldest first."""
        declared = event_type_of(model)
        stream = stream_of(declared)
        state = (await self.jetstream.stream_info(stream, subjects_filter=declared.subject)).state
        expected = sum((state.subjects or {}).values())
        found: list[CloudEvent] = []
        sequence = state.first_seq or 1
        while len(found) < expected:
            message = await self.jetstream.get_msg(stream, sequence, subject=declared.subject, next=True)
            found.append(CloudEvent.model_validate_json(message.data or b""))
            sequence = (message.seq or sequence) + 1
        return found


@pytest.fixture
async def bus(engines: Engines) -> AsyncIterator[Bus]:
    """A bus without any stream: the engines are emptied before each test that uses them."""
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        for name in client.list_database_names():
            if name not in {"admin", "config", "local"}:
                client.drop_database(name)
    connection = await nats.connect(engines.nats_url, user="test", password="test")
    jetstream = connection.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(stream.config.name or "")
    yield Bus(jetstream)
    await connection.close()


@dataclass(frozen=True)
class RunningService:
    """A service that runs in this process on real engines."""

    app: FastAPI
    http: httpx.AsyncClient


@asynccontextmanager
async def running(app: FastAPI, tokens: Tokens) -> AsyncIterator[RunningService]:
    """Run an app with its lifespan; requests go to it without a socket, and its answers must be documented."""
    async with app.router.lifespan_context(app):
        app.state.verifier = tokens.verifier()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [Documented.of_app(app).check_soon]}
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER, event_hooks=hooks) as client:
            yield RunningService(app, client)


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """The first true result of `check`, asked again and again. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if result := await check():
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"{check} stayed false for {seconds} s")
        await asyncio.sleep(0.03)


def person_id() -> str:
    """A new person's id."""
    return new_id("per")
