"""What is measured side by side: a gateway with a table of its own, nginx and a plain proxy."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from cme_kit.clock import SystemClock
from gateway.clients.domain import Client
from gateway.clients.repository import CLIENTS, row_of
from gateway.oauth.keys import SigningKeys
from gateway.oauth.minting import Mint
from pymongo import MongoClient

from cme_local import environment
from cme_local.bench import plain_proxy
from cme_local.bench.turns import MEASURED_CORE, Server, pin
from cme_local.engines import mongo_url
from cme_local.errors import StackError
from cme_local.http_probe import status_of
from cme_local.processes import DEPLOYABLES, Ports
from cme_local.secrets import load_or_create, token_keys_dir
from cme_local.stack import Stack

READY_WITHIN_S = 60.0
#: Nothing here is refused for its rate, except where that is what is measured.
UNLIMITED = "1000000000"
SCOPES = frozenset({"enrolment.applications:read", "curriculum.catalogue:read", "credentials.awards:read"})
NGINX = """
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  keepalive_requests 1000000000;
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@asynccontextmanager
async def started(
    command: Sequence[str], url: str, core: int, env: dict[str, str], ready: Callable[[int], bool] = lambda _: True
) -> AsyncIterator[psutil.Process]:
    """A process that answers at `url`, ended at the end. Raises StackError."""
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, env=env)
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while (status := await status_of(url)) is None or not ready(status):
            if time.monotonic() > deadline or child.returncode is not None:
                raise StackError(f"{command[0]} does not start")
            await asyncio.sleep(0.1)
        pin(child.pid, core)
        yield psutil.Process(child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


@asynccontextmanager
async def gateway(stack: Stack, port: int, settings: dict[str, str]) -> AsyncIterator[Server]:
    """A second gateway on the stack's engines and keys, issuing and accepting the same tokens."""
    ports = Ports(int(stack.api.rpartition(":")[2]))
    deployable = next(each for each in DEPLOYABLES if each.name == "gateway")
    usual = environment.for_deployable(deployable, stack.data, ports, load_or_create(stack.data))
    limits = dict.fromkeys(("CME_RATE_PER_SECOND", "CME_RATE_BURST", "CME_QUOTA_PER_DAY"), UNLIMITED)
    env = usual | limits | {"CME_PORT": str(port)} | settings
    url = f"http://127.0.0.1:{port}/health/live"
    async with started(deployable.argv(), url, MEASURED_CORE, env, lambda status: status == HTTPStatus.OK) as process:
        yield Server(port, (process,))


@asynccontextmanager
async def application(module: str, port: int, core: int, **env: str) -> AsyncIterator[Server]:
    """An ASGI application in uvicorn, alone on a core."""
    command = (sys.executable, "-m", "uvicorn", module, "--port", str(port), "--no-access-log", "--log-level", "error")
    async with started(command, f"http://127.0.0.1:{port}/", core, environment.inherited() | env) as process:
        yield Server(port, (process,))


def httpx_proxy(port: int, upstream: int) -> Any:
    """FastAPI and httpx, without any policy."""
    behind = {plain_proxy.UPSTREAM: f"http://127.0.0.1:{upstream}"}
    return application("cme_local.bench.plain_proxy:app", port, MEASURED_CORE, **behind)


@asynccontextmanager
async def nginx(home: Path, port: int, upstream: int) -> AsyncIterator[Server | None]:
    """One worker of nginx as a plain proxy; None when it is not installed."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        yield None
        return
    command = (binary, "-c", str(_nginx_configuration(home, port, upstream)), "-p", str(home))
    async with started(command, f"http://127.0.0.1:{port}/", MEASURED_CORE, environment.inherited()) as master:
        workers = master.children()
        for worker in workers:
            pin(worker.pid, MEASURED_CORE)
        yield Server(port, tuple(workers))


def _nginx_configuration(home: Path, port: int, upstream: int) -> Path:
    home.mkdir()
    configuration = home / "nginx.conf"
    configuration.write_text(NGINX.format(home=home, port=port, upstream=upstream), encoding="utf-8")
    return configuration


def bearers(stack: Stack, count: int) -> list[dict[str, str]]:
    """Headers of as many clients, put and signed where the gateway would: registering each would take minutes."""
    now = datetime.now(UTC)
    grants = frozenset({"client_credentials"})
    clients = [
        Client(f"bench-{number}", "Bench", (), grants, "client_secret_basic", SCOPES, now) for number in range(count)
    ]
    database: MongoClient[dict[str, Any]] = MongoClient(mongo_url(Ports(int(stack.api.rpartition(":")[2]))))
    with database:
        for begin in range(0, count, 1_000):
            rows = [row_of(client) | {"changed": now} for client in clients[begin : begin + 1_000]]
            database["gateway"][CLIENTS].insert_many(rows)
    mint = Mint(stack.issuer, SigningKeys(token_keys_dir(stack.data)), SystemClock())
    return [{"Authorization": f"Bearer {mint.for_client(client, SCOPES, None)}"} for client in clients]
