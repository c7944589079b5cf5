"""A new partner walks through the portal in a real browser, from signing up to a verified webhook; what the guides show runs."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages

HERE = Path(__file__).parent
EVENT = "com.clustereducation.curriculum.offering.published.v1"
TITLES = {
    "en": ("Partner portal", "Your sandbox credentials – Partner portal"),
    "lt": ("Partnerių portalas", "Jūsų bandomosios aplinkos duomenys – Partnerių portalas"),
    "de": ("Partnerportal", "Ihre Sandbox-Zugangsdaten – Partnerportal"),
}
pytestmark = pytest.mark.timeout(600)


@dataclass
class Receiver:
    """Takes what the secret in its folder verifies."""

    folder: Path
    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer."""
        try:
            event = Webhook((self.folder / "secret").read_text()).verify(body, headers)
        except WebhookVerificationError:
            self.refused += 1
            return 401
        self.taken.append(event)
        return 204


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver that is running."""
    made = Receiver(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(made.take(dict(self.headers), body))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/hooks"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def walk(demo: DemoRun, receiver: Receiver, language: str, *, script: bool = True) -> dict[str, Any]:
    """What a partner met on the way."""
    stack = demo.stack()
    plan = {
        "api": stack["api"],
        "mail": stack["urls"]["mail"].removesuffix("/mail"),
        "receiver": receiver.url,
        "language": language,
        "folder": str(receiver.folder),
        "script": script,
    }
    listed = receiver.folder / "walk.json"
    listed.write_text(json.dumps(plan))
    done = subprocess.run(
        ["node", "portal.mjs", str(listed)], cwd=HERE, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("language", "script"), [("en", True), ("lt", True), ("de", False)])
def test_a_partner_walks_from_sign_up_to_a_verified_webhook(
    demo: DemoRun, receiver: Receiver, language: str, script: bool
) -> None:
    said = walk(demo, receiver, language, script=script)

    assert said["findings"] == [], json.dumps(said["findings"], indent=1)
    assert said["looked"] == (2 * len(said["titles"]) if script else 0)
    assert len(said["titles"]) > 20
    first, credentials = TITLES[language]
    assert said["titles"]["first-page"].startswith(first)
    assert said["titles"]["credentials"].startswith(credentials)
    assert len(said["answer"]["items"]) > 1
    assert said["seconds"] < 300  # "the first successful call in under five minutes"
    assert said["stepsDone"] == 3
    assert (said["delivered"], said["status"], said["deliveries"]) == (1, "204", 1)
    assert (said["refused"], said["resent"], said["errors"]) == (1, 1, 1)
    assert "GET /sandbox/enrolment/v1/organisations" in said["requests"]
    assert receiver.refused == 1
    assert [(event["type"], event["test"]) for event in receiver.taken] == [(EVENT, True), (EVENT, True)]
