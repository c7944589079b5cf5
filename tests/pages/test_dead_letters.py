"""An operator redrives and discards dead letters on the page, in a real browser without script."""

import asyncio
import json
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from cme_local.processes import Ports
from cme_local.run import running_stack
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from cme_local.stack import Stack

from ..demo_runs import free_base  # noqa: TID252 -- the folders of tests are no packages
from .test_pages import check, operator_cookies, operator_link

HERE = Path(__file__).parent
SUBJECT = "cme.enrolment.organisation.registered.v1"
TYPE = "com.clustereducation.enrolment.organisation.registered.v1"
ORGANISATION = "org_01jb6x9y2kfq0v8r3m5t7w1z4c"
WHOLE = {"organisation_id": ORGANISATION, "name": "Redriven", "country": "LT", "kind": "partner"}
pytestmark = pytest.mark.timeout(300)


def registered(sequence: int, data: dict[str, str]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/enrolment",
        "type": TYPE,
        "subject": ORGANISATION,
        "time": "2026-01-01T00:00:00Z",
        "dataschema": "https://schemas.example/x.json",
        "datacontenttype": "application/json",
        "sequence": sequence,
        "predecessors": f"{TYPE}={sequence - 1}" if sequence > 1 else None,
        "data": data,
    }


async def publish(stack: Stack, *bodies: bytes) -> None:
    """Past the services, as the tool user may."""
    password = load_or_create(stack.data).nats_passwords[NATS_TOOL_USER]
    connection = await nats.connect(stack.urls["nats"].split(","), user=NATS_TOOL_USER, password=password)
    for body in bodies:
        await connection.jetstream().publish(SUBJECT, body)
    await connection.close()


async def buried(stack: Stack, count: int) -> None:
    """Wait until outreach has put that many messages aside."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(600):
            figures = (await http.get(f"{stack.urls['outreach']}/metrics")).text
            if f"cme_dead_letters {count}.0" in figures:
                return
            await asyncio.sleep(0.1)
    pytest.fail(f"outreach has not put {count} messages aside")


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack with three dead letters of outreach: no event, an event without its name, and the one behind it."""
    async with running_stack(Ports(free_base()), tmp_path / "data") as running:
        events = (registered(1, {"organisation_id": ORGANISATION}), registered(2, WHOLE))
        await publish(running.stack, b"\xff not JSON", *(json.dumps(event).encode() for event in events))
        await buried(running.stack, 3)
        yield running.stack


async def test_dead_letters_are_redriven_and_discarded_on_the_page(stack: Stack, tmp_path: Path) -> None:
    seen = {"urls": stack.urls, "operations_token": stack.operations_token}
    cookies, base = await asyncio.to_thread(operator_cookies, seen), stack.urls["otlp"]
    letter = f"{base}/dead-letters/outreach/2"
    pages = [
        {"name": "dead-letters-three", "url": f"{base}/dead-letters", "cookies": cookies},
        {"name": "dead-letter", "url": letter},
        {"name": "dead-letter-no-text", "url": f"{base}/dead-letters/outreach/1"},
        {"name": "events-with-dead-letters", "url": f"{base}/events"},
    ]
    await asyncio.to_thread(check, pages, tmp_path)
    link = await asyncio.to_thread(operator_link, seen)

    done = await asyncio.to_thread(
        subprocess.run, ["node", "dead_letters.mjs", link], cwd=HERE, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["failedAgain"].startswith("It failed again and stays a dead letter.")
    assert said["withoutReason"]["title"] is True
    assert said["discarded"].startswith("Letter 2 of outreach was discarded: trial run.")
    assert said["rehearsed"] == "Nothing was changed. It would be applied now."
    assert said["redriven"].startswith("Letter 3 of outreach was applied")
    assert said["left"] == ["outreach 1"]
