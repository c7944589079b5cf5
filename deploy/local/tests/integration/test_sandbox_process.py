"""The process of the sandbox: it fills itself completely and once, whatever was killed in between, and ends when idle."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_kit.testing import QUIET, Bus, Engines
from cme_local.processes import SERVICES
from cme_local.sandbox_api.filling import CONTENT, DATABASE, FILLINGS
from cme_local.sandbox_api.settings import VARIABLE
from cme_local.secrets import credential_key_file
from pymongo import MongoClient

from .conftest import eventually

pytestmark = pytest.mark.timeout(180)
WHOLE = {
    "enrolment": {"organisations": 13, "applications": 8, "calls": 2, "learners": 4, "agreements": 4, "people": 18},
    "curriculum": {"programmes": 1, "offerings": 2, "reviews": 1},
    "assessment": {"credits": 13, "appeals": 1},
    "credentials": {"awards": 14, "credentials": 15},
}


@pytest.fixture
def settings(engines: Engines, bus: Bus, tmp_path: Path) -> str:
    common = {
        "public_url": "http://cme.test/sandbox",
        "issuer": "http://cme.test",
        "jwks_url": "http://cme.test/oauth/jwks",
        "mongo_url": engines.mongo_url,
        "database_prefix": "sandbox_",
        "nats_url": engines.nats_url,
        "nats_user": "test",
        "nats_password": "test",
    }
    own = {key: common[key] for key in ("public_url", "mongo_url", "database_prefix")}
    services: dict[str, dict[str, Any]] = {name: dict(common) for name in SERVICES}
    services["credentials"]["signing_key_file"] = str(credential_key_file(tmp_path))
    services["outreach"] |= {"mail_from": "Test <test@cme.test>", "address_key": "k" * 32}
    return json.dumps({"services": services, "own": own, "issuer": "http://cme.test"})


def filling(settings: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cme_local.sandbox_api", "fill"]
    return subprocess.Popen(command, env=os.environ | {VARIABLE: settings}, **QUIET)


def counts(client: MongoClient[dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {
        service: {name: client[f"sandbox_{service}"][name].count_documents({}) for name in names}
        for service, names in WHOLE.items()
    }


def events(client: MongoClient[dict[str, Any]]) -> int:
    return sum(client[f"sandbox_{service}"]["outbox"].count_documents({}) for service in SERVICES)


def test_a_process_that_nobody_asks_ends_by_itself_and_leaves_the_socket_open(settings: str, engines: Engines) -> None:
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        client[f"sandbox_{DATABASE}"][FILLINGS].insert_one({"_id": CONTENT})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "cme_local.sandbox_api", str(listening.fileno())]
        environment = os.environ | {VARIABLE: json.dumps(json.loads(settings) | {"idle_seconds": 1.0})}
        process = subprocess.Popen(command, env=environment, pass_fds=[listening.fileno()], **QUIET)

        document = httpx.get(f"http://127.0.0.1:{listening.getsockname()[1]}/did.json", timeout=60, trust_env=False)

        assert document.json()["id"] == "did:web:cme.test:sandbox"
        assert process.wait(60) == 0
        with socket.create_connection(listening.getsockname(), timeout=5):
            pass  # it waits for the next process


def test_a_sandbox_is_filled_once(settings: str, engines: Engines) -> None:
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        assert filling(settings).wait(120) == 0
        first = counts(client), events(client)

        assert filling(settings).wait(120) == 0

        assert first == (WHOLE, events(client))


@pytest.mark.parametrize("stated", [30, 120])
def test_a_filling_that_was_killed_goes_on_where_it_was(settings: str, engines: Engines, stated: int) -> None:
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        killed = filling(settings)
        eventually(lambda: events(client) >= stated, within_s=60)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        client.admin.command("killAllSessions", [])

        assert filling(settings).wait(120) == 0

        assert counts(client) == WHOLE
