"""A gateway as it is started in production, an upstream that echoes, and people who sign in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cme_kit.documented import Documented
from cme_kit.testing import Engines, free_port
from gateway.app import build
from gateway.edge.wire import StrictHttp
from gateway.settings import Settings

from .mailbox import the_mailbox
from .people import CALLBACK, Person, answer_of, exchange, hidden, pkce, values
from .receivers import happenings, receiver
from .scripted import Scripted, serving

__all__ = ["happenings", "receiver"]
SERVICES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")
NAMED_ORIGIN = "http://localhost:9443"
BOOTSTRAP = ("bootstrap", "a-bootstrap-secret-of-the-tests")


class Echo:
    """Answers with what it was sent; some paths misbehave."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.received = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        last = scope["path"].rpartition("/")[2]
        self.received = 0
        digest, more = hashlib.sha256(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            digest.update(message.get("body", b""))
            self.received += len(message.get("body", b""))
            more = message.get("more_body", False)
        if last == "slow":
            await asyncio.sleep(5)
        request = {
            "method": scope["method"],
            "target": scope["raw_path"].decode()
            + ("?" + scope["query_string"].decode() if scope["query_string"] else ""),
            "headers": {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
            "size": self.received,
            "sha256": digest.hexdigest(),
        }
        self.requests.append(request)
        headers = [(b"content-type", b"application/json"), (b"x-own", b"kept"), (b"keep-alive", b"timeout=9")]
        if last == "redirect":
            await send({"type": "http.response.start", "status": 303, "headers": [(b"location", b"/elsewhere")]})
            await send({"type": "http.response.body", "body": b""})
            return
        if last in ("stream", "break"):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for _ in range(64):
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            if last == "stream":
                await send({"type": "http.response.body", "body": b""})
            return
        body = json.dumps(request).encode()
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class EchoServer:
    """The echo with its address."""

    url: str
    echo: Echo


@pytest.fixture(scope="session")
def echo() -> Iterator[EchoServer]:
    """An upstream in a thread."""
    app, port = Echo(), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off", server_header=True))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield EchoServer(f"http://127.0.0.1:{port}", app)
    server.should_exit = True
    thread.join(5)


@dataclass
class Gateway:
    """A running gateway and ways to use it."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None
    http: httpx.Client
    browsers: list[httpx.Client] = field(default_factory=list)
    #: Ends a gateway that runs in a thread of the tests.
    ended: Callable[[], None] = field(default=lambda: None)

    def client_credentials(self, client: tuple[str, str], scope: str | None = None, **extra: str) -> httpx.Response:
        """Ask for a client's own token."""
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {}), **extra}
        return self.http.post("/oauth/token", data=form, auth=client)

    def bearer(self, client: tuple[str, str], scope: str | None = None) -> dict[str, str]:
        """The header of a client."""
        answer = self.client_credentials(client, scope)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def registrar(self) -> dict[str, str]:
        """The header of the bootstrap client."""
        return self.bearer(BOOTSTRAP)

    def register(self, **fields: Any) -> dict[str, Any]:
        """Register a client."""
        body = {
            "client_id": f"client-{secrets.token_hex(5)}",
            "name": "A test client",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scopes": ["enrolment.applications:read", "operations:read"],
            **fields,
        }
        answer = self.http.post("/gateway/v1/clients", json=body, headers=self.registrar())
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def machine(self, *scopes: str) -> tuple[str, str]:
        """Id and secret of a new client."""
        made = self.register(scopes=list(scopes)) if scopes else self.register()
        return made["client_id"], made["client_secret"]

    def app(self, **fields: Any) -> str:
        """The id of a new public app."""
        scopes = ["enrolment.people:write", "enrolment.applications:submit", "assessment.transcripts:read"]
        body = {
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "scopes": scopes,
            **fields,
        }
        return str(self.register(**body)["client_id"])

    def person(self, *roles: str, **fields: Any) -> Person:
        """A new person's browser, not signed in."""
        username = f"{secrets.token_hex(5)}@example.org"
        body = {
            "username": username,
            "password": "correct horse",
            "display_name": "Ona",
            "roles": list(roles) or ["applicant"],
        }
        answer = self.http.post("/gateway/v1/accounts", json=body | fields, headers=self.registrar())
        assert answer.status_code == 201, answer.text
        self.browsers.append(httpx.Client(base_url=self.url, timeout=20))
        return Person(username, "correct horse", answer.json()["subject"], self.browsers[-1])

    def nobody(self) -> httpx.Client:
        """The browser of somebody without an account."""
        self.browsers.append(httpx.Client(base_url=self.url, timeout=20))
        return self.browsers[-1]

    def someone_else_at(self, person: Person) -> Person:
        """Another browser of the same person, not signed in."""
        self.browsers.append(httpx.Client(base_url=self.url, timeout=20))
        return Person(person.username, person.password, person.subject, self.browsers[-1])

    def close_browsers(self) -> None:
        """Everybody goes home."""
        while self.browsers:
            self.browsers.pop().close()


@dataclass(frozen=True)
class Helpers:
    """What test modules call."""

    pkce: Callable[[], tuple[str, str]] = pkce
    hidden: Callable[[httpx.Response], dict[str, str]] = hidden
    values: Callable[[str, str], list[str]] = values
    answer_of: Callable[[httpx.Response], dict[str, str]] = answer_of
    exchange: Callable[[str, str, str], dict[str, str]] = exchange
    bootstrap: tuple[str, str] = BOOTSTRAP
    callback: str = CALLBACK


@pytest.fixture(scope="session")
def helpers() -> Helpers:
    return Helpers()


def start(engines: Engines, upstream: str, home: Path, *, ready: bool = True, **settings: str) -> Gateway:
    """Start a gateway process and wait until it is ready, unless it may end before."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("CME_", "OTEL_"))},
        "CME_PORT": str(port),
        "CME_PUBLIC_URL": url,
        "CME_MONGO_URL": engines.mongo_url,
        "CME_NATS_URL": engines.nats_url,
        "CME_NATS_USER": "test",
        "CME_NATS_PASSWORD": "test",
        "CME_UPSTREAMS": json.dumps(dict.fromkeys(SERVICES, upstream)),
        "CME_SANDBOX_UPSTREAMS": json.dumps(dict.fromkeys(SERVICES, upstream)),
        "CME_SIGNING_KEYS_DIR": str(home / "keys"),
        "CME_CLIENT_SECRET_PEPPER": "a pepper of the tests",
        "CME_BOOTSTRAP_CLIENT_ID": BOOTSTRAP[0],
        "CME_BOOTSTRAP_CLIENT_SECRET": BOOTSTRAP[1],
        "CME_SMTP_PORT": str(the_mailbox().port),
        "CME_WEBHOOK_PRIVATE_ADDRESSES": "true",
        **settings,
    }
    gateway = Gateway(url, environment, _launch(environment, home), httpx.Client(base_url=url, timeout=20))
    if ready:
        await_ready(gateway)
        documented = Documented.of_document(gateway.http.get("/openapi.json").json(), "/gateway/")
        gateway.http.event_hooks = {"response": [documented.check]}
    return gateway


def _launch(environment: dict[str, str], home: Path) -> subprocess.Popen[bytes]:
    with (home / "gateway.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "gateway"], env=environment, stdout=log, stderr=log)


def await_ready(gateway: Gateway) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and (gateway.process is None or gateway.process.poll() is None):
        try:
            if gateway.http.get("/health/live").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the gateway does not start")


def stop(gateway: Gateway) -> None:
    """End it."""
    gateway.close_browsers()
    gateway.http.close()
    if gateway.process is not None:
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(15)


@pytest.fixture(scope="session")
def shared_gateway(engines: Engines, echo: EchoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for the whole run; tests make clients and people of their own."""
    running = start(engines, echo.url, tmp_path_factory.mktemp("gateway"))
    yield running
    stop(running)


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Iterator[Gateway]:
    """The shared gateway; the people of this test are gone after it."""
    yield shared_gateway
    shared_gateway.close_browsers()


@pytest.fixture(scope="session")
def shared_named_gateway(
    engines: Engines, echo: EchoServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that is known by the name localhost, as passkeys need it."""
    running = start(engines, echo.url, tmp_path_factory.mktemp("named"), CME_PUBLIC_URL=NAMED_ORIGIN)
    yield running
    stop(running)


@pytest.fixture
def named_gateway(shared_named_gateway: Gateway) -> Iterator[Gateway]:
    """The same; the people of this test are gone after it."""
    yield shared_named_gateway
    shared_named_gateway.close_browsers()


@pytest.fixture
def another_gateway(engines: Engines, echo: EchoServer, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start a gateway with settings of its own, in a thread because a process takes seconds to import; same database."""
    started: list[Gateway] = []

    def begin(upstream: str = echo.url, protocol: type[StrictHttp] = StrictHttp, **settings: Any) -> Gateway:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        values = {
            "public_url": url,
            "mongo_url": engines.mongo_url,
            "nats_url": engines.nats_url,
            "nats_user": "test",
            "nats_password": "test",
            "upstreams": dict.fromkeys(SERVICES, upstream),
            "signing_keys_dir": tmp_path / "keys",
            "client_secret_pepper": "a pepper of the tests",
            "bootstrap_client_id": BOOTSTRAP[0],
            "bootstrap_client_secret": BOOTSTRAP[1],
            "smtp_port": the_mailbox().port,
            "webhook_private_addresses": True,
            **settings,
        }
        app = build(Settings.model_validate(values))
        config = uvicorn.Config(
            app,
            port=port,
            http=protocol,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        gateway = Gateway(url, {}, None, httpx.Client(base_url=url, timeout=20))

        def end() -> None:
            server.should_exit = True
            thread.join(15)

        gateway.ended = end
        started.append(gateway)
        await_ready(gateway)
        return gateway

    yield begin
    for gateway in started:
        stop(gateway)
        gateway.ended()


@pytest.fixture
def gateway_process(engines: Engines, echo: EchoServer, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway process of one test alone."""
    running = start(engines, echo.url, tmp_path)
    yield running
    stop(running)


@pytest.fixture
def killed_and_started() -> Callable[[Gateway, Path], None]:
    """SIGKILL a gateway and start it again with the same settings."""

    def again(gateway: Gateway, home: Path) -> None:
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait()
        gateway.process = _launch(gateway.environment, home)
        await_ready(gateway)

    return again


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A service that answers as the test says."""
    with serving() as service:
        yield service
