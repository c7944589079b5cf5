"""The partner's command with a whole stack: a call, a sample, and what really happens in the sandbox."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from .conftest import Up, eventually

pytestmark = pytest.mark.timeout(180)


class Hook:
    """A partner's receiver."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def cme(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, for the stack's sandbox."""
    command = [sys.executable, "-m", "cme_cli", *arguments, "--stack", str(up.stack_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


class Listening:
    """`cme listen --json`, and what it said so far."""

    def __init__(self, up: Up, log: Path, *options: str) -> None:
        command = [sys.executable, "-m", "cme_cli", "listen", "--json", *options, "--stack", str(up.stack_file)]
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


def test_a_call_is_answered_by_the_sandbox(real_stack: Up) -> None:
    done = cme(real_stack, "api", "GET", "/credentials/v1/awards", "-q", "limit=1")

    assert done.returncode == 0, done.stderr
    assert "/sandbox/badges/" in json.loads(done.stdout)["items"][0]["url"]


def test_a_list_is_read_to_its_end(real_stack: Up) -> None:
    done = cme(real_stack, "api", "GET", "/credentials/v1/awards?limit=5", "--all")

    assert len(json.loads(done.stdout)) == 14


def test_a_refusal_is_explained(real_stack: Up) -> None:
    done = cme(real_stack, "api", "POST", "/enrolment/v1/organisations", "-f", "/dev/null")

    assert done.returncode == 1
    assert "422 invalid_request" in done.stderr


def test_samples_and_what_really_happens_reach_this_machine_as_a_library_verifies_them(
    real_stack: Up, hook: Hook, tmp_path: Path
) -> None:
    cme(real_stack, "api", "GET", "/enrolment/v1/calls")  # the sandbox is up, and so is its bus
    listening = Listening(real_stack, tmp_path / "log", "--forward-to", hook.url)
    try:
        ready = eventually(lambda: listening.said("ready"), within_s=60)[0]
        secret = Webhook(ready["signing_secret"])

        def arrived() -> list[Any]:
            return [secret.verify(body, headers) for headers, body in hook.received]

        sent = cme(real_stack, "trigger", "enrolment.learner.enrolled", "--set", "country=FI", "--json")
        message_id = json.loads(sent.stdout)["message_id"]
        sample = eventually(lambda: [got for got in arrived() if got["id"] == message_id], within_s=60)[0]
        body = tmp_path / "organisation.json"
        body.write_text(json.dumps({"name": "A test", "country": "FI", "kind": "cluster", "website": None}))
        made = json.loads(cme(real_stack, "api", "POST", "/enrolment/v1/organisations", "-f", str(body)).stdout)
        # What the sandbox filled itself with may still be told before.
        real = eventually(
            lambda: [g for g in arrived() if g["data"].get("organisation_id") == made["organisation_id"]], within_s=90
        )[0]
        told = listening.said("delivery")
    finally:
        listening.process.terminate()
        listening.process.wait()

    assert (sample["test"], sample["data"]["country"]) == (True, "FI")
    assert "test" not in real
    assert {delivery["status"] for delivery in told} == {204}


def test_the_checkouts_own_command_has_the_same(real_stack: Up) -> None:
    command = [sys.executable, "-m", "cme_local", "trigger", "--list", "--stack", str(real_stack.stack_file)]

    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert listed.stdout == cme(real_stack, "trigger", "--list").stdout
    assert "enrolment.learner.enrolled" in listed.stdout
