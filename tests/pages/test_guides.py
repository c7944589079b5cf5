"""What the portal's guides show runs as it is shown, against a real sandbox: curl, Python and JavaScript."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_kit.testing import free_port

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages

EVENT = "com.clustereducation.curriculum.offering.published.v1"
PLACEHOLDER = "paste the secret here"
pytestmark = pytest.mark.timeout(600)


@dataclass
class Reader:
    """A developer with an application, who reads the guides."""

    browser: httpx.Client
    client_id: str
    secret: str

    def example(self, guide: str, name: str) -> str:
        """The code that stands under a name on a guide's page."""
        page = self.browser.get(f"/portal/guides/{guide}", params={"application": self.client_id, "lang": "en"})
        found = re.search(rf'aria-label="{re.escape(name)}"><code>(.*?)</code></pre>', page.text, re.DOTALL)
        assert found is not None, f"{guide} has no {name}"
        return html.unescape(found[1])

    def run(self, guide: str, name: str, folder: Path, **changes: str) -> str:
        """What an example prints; curl and the shell get the secret in its place, the others by the environment."""
        code = self.example(guide, name)
        for old, new in {PLACEHOLDER: self.secret, **changes}.items():
            code = code.replace(old, new)
        done = subprocess.run(
            command(name, code, folder), capture_output=True, text=True, check=False, cwd=folder, env=self.environment()
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self, **more: str) -> dict[str, str]:
        """What the examples read."""
        return {**os.environ, "CME_CLIENT_SECRET": self.secret, **more}

    def token(self) -> dict[str, str]:
        """The header of a call of the API."""
        credentials = (self.client_id, self.secret)
        answer = self.browser.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=credentials)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def command(name: str, code: str, folder: Path) -> list[str]:
    """How an example is run."""
    language = name.rpartition(": ")[2]
    file = folder / {"curl": "example.sh", "Python": "example.py", "JavaScript": "example.mjs"}[language]
    file.write_text(code)
    return [{"curl": "/bin/sh", "Python": sys.executable, "JavaScript": "node"}[language], str(file)]


def form(page: httpx.Response, action: str) -> dict[str, str]:
    """The hidden fields of a form."""
    found = re.search(rf'<form[^>]* action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
    assert found is not None, page.text
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0])
    return {name: html.unescape(value) for name, value in fields}


@pytest.fixture(scope="module")
def reader(demo: DemoRun) -> Iterator[Reader]:
    stack = demo.stack()
    user = next(user for user in stack["users"] if "developer" in user["roles"])
    with httpx.Client(base_url=stack["api"], timeout=30, trust_env=False) as browser:
        login = browser.get("/login")
        signed_in = {"username": user["username"], "password": user["password"]}
        assert browser.post("/login", data=form(login, "/login") | signed_in).status_code == 303
        made = browser.post("/portal/sandbox", data=form(browser.get("/portal"), "/portal/sandbox"))
        client_id, secret = re.findall(r'<dd class="secret">((?:test|cme)_[^<]+)</dd>', made.text)
        yield Reader(browser, client_id, secret)


def test_the_first_call_runs_in_three_languages(reader: Reader, tmp_path: Path) -> None:
    by_curl = json.loads(reader.run("call", "First call: curl", tmp_path))
    by_python = reader.run("call", "First call: Python", tmp_path)
    by_javascript = reader.run("call", "First call: JavaScript", tmp_path)

    assert len(by_curl["items"]) == 2
    assert by_curl["items"][0]["name"] in by_python
    assert by_python == by_javascript
    assert len(by_python.splitlines()) > 2


def test_the_address_that_people_are_sent_to_leads_to_the_sign_in_page(reader: Reader) -> None:
    page = reader.browser.get("/portal/applications/new", params={"kind": "app"})
    action = "/portal/applications/new?kind=app"
    about = {"name": "An app", "redirect_uris": "https://partner.example/callback", "scope": ["openid", "profile"]}
    assert reader.browser.post(action, data={**form(page, action), **about}).status_code == 200
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()

    lines = reader.example("call", "Authorization request: OAuth 2.1")
    address = "".join(line.strip() for line in lines.splitlines())
    answer = httpx.get(address.replace("BASE64URL_OF_SHA256_OF_YOUR_VERIFIER", challenge), trust_env=False)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?")


@contextmanager
def running(argv: list[str], environment: dict[str, str], port: int, printed: Path) -> Iterator[None]:
    """An example that serves on a port; what it prints goes to a file."""
    with printed.open("wb") as output:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
            except httpx.HTTPError:
                break  # it answers GET in its own way
        yield
    finally:
        process.terminate()
        process.wait(15)


@pytest.mark.parametrize("language", ["Python", "JavaScript"])
def test_a_receiver_takes_what_is_signed_and_nothing_else(reader: Reader, tmp_path: Path, language: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks"
    made = json.loads(reader.run("events", "Make a webhook: curl", tmp_path, **{"https://partner.example/hooks": url}))
    name = f"Receiver: {language}"
    environment = reader.environment(PORT=str(port), CME_WEBHOOK_SECRET=made["signing_secret"], PYTHONUNBUFFERED="1")

    printed = tmp_path / "printed.txt"
    with running(command(name, reader.example("events", name), tmp_path), environment, port, printed):
        forged = {"webhook-id": "x", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
        refused = httpx.post(url, content=b"{}", headers=forged, trust_env=False)
        headers = reader.token()
        place = f"/gateway/v1/webhooks/{made['webhook_id']}"
        sent = reader.browser.post(f"{place}/tests", json={"type": EVENT}, headers=headers).json()
        delivery = settled(reader, f"{place}/deliveries/{sent['message_id']}", headers)

    assert refused.status_code == 401
    assert (delivery["state"], delivery["last_status"]) == ("delivered", 204), delivery
    assert f"{EVENT} {sent['message_id']}" in printed.read_text()


def settled(reader: Reader, path: str, headers: dict[str, str]) -> dict[str, Any]:
    """A delivery, once it was tried."""
    deadline = time.monotonic() + 30
    while True:
        found = dict(reader.browser.get(path, headers=headers).json())
        if found["attempts"] or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_signature_of_a_key_pair_is_verified(reader: Reader, tmp_path: Path) -> None:
    came: list[tuple[dict[str, str], bytes]] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    code = tmp_path / "verify.py"
    code.write_text(reader.example("events", "Verify v1a: Python"))
    is_ours = runpy.run_path(str(code))["is_ours"]
    with HTTPServer(("127.0.0.1", 0), Keeper) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        headers = reader.token()
        request = {"url": f"http://127.0.0.1:{server.server_port}/", "event_types": [EVENT], "signing": "v1a"}
        made = reader.browser.post("/gateway/v1/webhooks", json=request, headers=headers).json()
        place = f"/gateway/v1/webhooks/{made['webhook_id']}"
        sent = reader.browser.post(f"{place}/tests", json={"type": EVENT}, headers=headers).json()
        settled(reader, f"{place}/deliveries/{sent['message_id']}", headers)
        server.shutdown()

    ((got, body),) = came
    key = made["keys"][0]["public_key"]
    assert is_ours(key, got, body)
    assert not is_ours(key, got, body + b" ")
    assert not is_ours(key, got | {"webhook-timestamp": "1"}, body)


def test_the_catalogue_is_copied_and_followed(reader: Reader, tmp_path: Path) -> None:
    by_curl = reader.run("catalogue", "Catalogue: curl", tmp_path)
    python, javascript = tmp_path / "python", tmp_path / "javascript"
    for folder in (python, javascript):
        folder.mkdir()

    copied = reader.run("catalogue", "Catalogue: Python", python)
    again = reader.run("catalogue", "Catalogue: Python", python)
    by_javascript = reader.run("catalogue", "Catalogue: JavaScript", javascript)

    assert copied == again == by_javascript
    assert copied.split()[0] in by_curl
    kept = [json.loads((folder / "catalogue.json").read_text()) for folder in (python, javascript)]
    assert kept[0] == kept[1]
    assert kept[0]["last"] > 0
