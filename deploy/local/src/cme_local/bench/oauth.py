"""`cme bench oauth`: the token and introspection endpoints, beside oidc-provider doing the same, each on a core alone."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from gateway.clients.domain import Client, ClientSecret
from gateway.clients.repository import CLIENTS, row_of
from gateway.clients.service import SECRET_HASH
from gateway.peppered import Pepper
from joserfc import jwt
from joserfc.jwk import ECKey
from pymongo import MongoClient

from cme_local.bench.http_load import request_bytes
from cme_local.bench.turns import (
    CONNECTIONS,
    MEASURED_CORE,
    OTHER_CORE,
    Contender,
    Extent,
    Load,
    Server,
    pin,
    take_turns,
)
from cme_local.engines import mongo_url
from cme_local.errors import StackError
from cme_local.http_probe import status_of
from cme_local.processes import Ports, project_root
from cme_local.run import running_stack
from cme_local.secrets import load_or_create
from cme_local.stack import Stack

PORT_BASE = 28940
PEER_PORT = PORT_BASE + 15
FEW, MANY = 10, 10_000
LEAST_SECRET, LEAST_JWT, LEAST_INTROSPECTION, MOST_P99_MS = 2_000, 1_000, 3_000, 30
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = "grant_type=client_credentials&scope=curriculum.catalogue%3Aread"
ASSERTION_TYPE = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
PEER = "tests/load/js"


QUICK = Extent(rounds=2, seconds=0.8)
#: Assertions for each second that is measured: each holds once, so there have to be enough for every round.
ASSERTIONS_PER_SECOND = 2_400


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """The table; a row for oidc-provider when its package is installed."""
    extent = QUICK if quick else Extent()
    with tempfile.TemporaryDirectory(prefix="cme-bench-") as name:
        folder = Path(name)
        async with running_stack(Ports(PORT_BASE), folder / "data") as running, _peer() as peer:
            ours = await _ours(running.stack, extent)
            machine = await take_turns([*ours, *peer], Load(folder, extent.seconds), extent)
    return {
        "rows": [contender.row() for contender in (*ours, *peer)],
        "machine": machine,
        "connections": CONNECTIONS,
        "times_the_rate_of_oidc_provider": ours[0].times(peer[0]) if peer else None,
        "without_peer": None if peer else f"install it by: npm ci --prefix {PEER}",
        "at_least": {"secret": LEAST_SECRET, "private_key_jwt": LEAST_JWT, "introspection": LEAST_INTROSPECTION},
        "at_most_p99_ms": MOST_P99_MS,
    }


async def _ours(stack: Stack, extent: Extent) -> list[Contender]:
    for process in stack.processes:
        pin(process.pid, MEASURED_CORE if process.name == "gateway" else OTHER_CORE)
    server = Server(int(stack.api.rpartition(":")[2]), (psutil.Process(stack.pid("gateway")),))
    token_url = f"{stack.api}/oauth/token"
    clients = _add_clients(stack, MANY)
    key = ECKey.generate_key("P-256", {"kid": "bench"}, private=True)
    signer = _add_signer(stack, key)
    parts = 2 * extent.rounds + 1
    count = int(ASSERTIONS_PER_SECOND * extent.seconds) * parts
    assertions = [_with_assertion(token_url, stack.issuer, signer, key) for _ in range(count)]
    return [
        Contender("client credentials, secret", server, [_with_secret(token_url, *clients[0])]),
        Contender(f"  of {FEW:,} clients in turn", server, [_with_secret(token_url, *c) for c in clients[:FEW]]),
        Contender(f"  of {MANY:,} clients in turn", server, [_with_secret(token_url, *c) for c in clients]),
        Contender("client credentials, private_key_jwt", server, assertions, once=True),
        Contender("introspection", server, [await _introspection(stack, *clients[0])]),
    ]


@asynccontextmanager
async def _peer() -> AsyncIterator[list[Contender]]:
    home = project_root() / PEER
    if not (home / "node_modules").is_dir() or shutil.which("node") is None:
        yield []
        return
    secret = secrets.token_urlsafe(32)
    async with _oidc_provider(home, secret) as process:
        url = f"http://127.0.0.1:{PEER_PORT}/token"
        basic = _basic("bench", secret)
        request = request_bytes("POST", url, {**FORM, **basic}, b"grant_type=client_credentials&scope=read")
        yield [Contender("oidc-provider (npm), secret", Server(PEER_PORT, (process,)), [request])]


@asynccontextmanager
async def _oidc_provider(home: Path, secret: str) -> AsyncIterator[psutil.Process]:
    quiet = asyncio.subprocess.DEVNULL
    command = ("node", str(home / "oidc_provider.mjs"), str(PEER_PORT), secret)
    child = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, cwd=home)
    try:
        pin(child.pid, MEASURED_CORE)
        deadline = time.monotonic() + 20
        while await status_of(f"http://127.0.0.1:{PEER_PORT}/jwks") != 200:  # noqa: PLR2004  (HTTP's)
            if time.monotonic() > deadline or child.returncode is not None:
                raise StackError("oidc-provider does not start")
            await asyncio.sleep(0.1)
        yield psutil.Process(child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


def _add_clients(stack: Stack, count: int) -> list[tuple[str, str]]:
    """Clients with secrets, put where the gateway keeps them: registering ten thousand would take minutes."""
    pepper = Pepper(load_or_create(stack.data).client_secret_pepper)
    made = [(f"bench-{number}", secrets.token_urlsafe(32)) for number in range(count)]
    now = datetime.now(UTC)

    def row(client_id: str, secret: str) -> dict[str, Any]:
        stored = ClientSecret(pepper.derive(SECRET_HASH, secret), secret[-4:], now)
        return row_of(_client(client_id, "client_secret_basic", now, secrets=(stored,))) | {"changed": now}

    _insert(stack, [row(*client) for client in made])
    return made


def _add_signer(stack: Stack, key: ECKey) -> str:
    now = datetime.now(UTC)
    client = _client("bench-signer", "private_key_jwt", now, jwks={"keys": [key.as_dict(private=False)]})
    _insert(stack, [row_of(client) | {"changed": now}])
    return client.client_id


def _client(client_id: str, method: str, now: datetime, **fields: Any) -> Client:
    grants, scopes = frozenset({"client_credentials"}), frozenset({"curriculum.catalogue:read"})
    return Client(client_id, client_id, (), grants, method, scopes, now, **fields)


def _insert(stack: Stack, rows: list[dict[str, Any]]) -> None:
    port_base = int(stack.api.rpartition(":")[2])
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_url(Ports(port_base)))
    with client:
        for begin in range(0, len(rows), 1_000):
            client["gateway"][CLIENTS].insert_many(rows[begin : begin + 1_000])


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def _with_secret(url: str, client_id: str, secret: str) -> bytes:
    return request_bytes("POST", url, {**FORM, **_basic(client_id, secret)}, GRANT.encode())


def _with_assertion(url: str, issuer: str, client_id: str, key: ECKey) -> bytes:
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 900,
    }
    assertion = jwt.encode({"alg": "ES256", "kid": "bench"}, claims, key, algorithms=["ES256"])
    body = f"{GRANT}&client_assertion_type={ASSERTION_TYPE}&client_assertion={assertion}"
    return request_bytes("POST", url, FORM, body.encode())


async def _introspection(stack: Stack, client_id: str, secret: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stack.api.rpartition(":")[2]))
    request = _with_secret(f"{stack.api}/oauth/token", client_id, secret)
    writer.write(request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
    answer = await reader.read()
    writer.close()
    token = json.loads(answer.partition(b"\r\n\r\n")[2])["access_token"]
    headers = {**FORM, **_basic(client_id, secret)}
    return request_bytes("POST", f"{stack.api}/oauth/introspect", headers, f"token={token}".encode())
