"""The pages about accounts in a real browser, and passkeys by the authenticator that it has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_kit.testing import Engines, free_port
from pymongo import MongoClient

from .test_pages import check

HERE = Path(__file__).parent
REGISTRAR = ("bootstrap", "a-bootstrap-secret-of-the-tests")
PASSWORD = "correct horse"
PROVIDER = {"name": "EU Login", "issuer": "https://idp.example", "client_id": "cme", "client_secret": "of the tests"}
pytestmark = pytest.mark.timeout(300)


@dataclass
class Gateway:
    """A gateway that is known by the name localhost, as passkeys need it."""

    origin: str
    http: httpx.Client

    def person(self, **fields: Any) -> str:
        """A new account's username."""
        token = self.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=REGISTRAR).json()
        username = f"ona{time.time_ns()}@partner.example"
        body = {"username": username, "password": PASSWORD, "display_name": "Ona Onaitė", "roles": ["developer"]}
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        self.http.post("/gateway/v1/accounts", json=body | fields, headers=bearer).raise_for_status()
        return username

    def cookies_of(self, username: str) -> list[dict[str, str]]:
        """The session of somebody who just signed in."""
        with httpx.Client(base_url=self.origin, trust_env=False) as browser:
            token = browser.get("/login").text.partition('name="csrf_token" value="')[2].partition('"')[0]
            fields = {"csrf_token": token, "username": username, "password": PASSWORD}
            assert browser.post("/login", data=fields).status_code == 303
            return [{"name": name, "value": value, "url": self.origin} for name, value in browser.cookies.items()]


@pytest.fixture
def gateway(engines: Engines, tmp_path: Path) -> Iterator[Gateway]:
    port = free_port()
    origin = f"http://localhost:{port}"
    services = ("enrolment", "curriculum", "assessment", "credentials", "outreach")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("CME_", "OTEL_"))},
        "CME_PORT": str(port),
        "CME_PUBLIC_URL": origin,
        "CME_MONGO_URL": engines.mongo_url,
        "CME_NATS_URL": engines.nats_url,
        "CME_NATS_USER": "test",
        "CME_NATS_PASSWORD": "test",
        "CME_UPSTREAMS": json.dumps(dict.fromkeys(services, "http://127.0.0.1:1")),
        "CME_SIGNING_KEYS_DIR": str(tmp_path / "keys"),
        "CME_CLIENT_SECRET_PEPPER": "a pepper of the tests",
        "CME_BOOTSTRAP_CLIENT_ID": REGISTRAR[0],
        "CME_BOOTSTRAP_CLIENT_SECRET": REGISTRAR[1],
        "CME_UPSTREAM_PROVIDERS": json.dumps([{"id": "eu-login", **PROVIDER}]),
    }
    with (tmp_path / "gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment, stdout=log, stderr=log)
    with httpx.Client(base_url=origin, timeout=20, trust_env=False) as http:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get("/health/live").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        else:
            pytest.fail((tmp_path / "gateway.log").read_text()[-2000:])
        yield Gateway(origin, http)
    process.terminate()
    process.wait(15)


def fill(engines: Engines, username: str) -> None:
    """Give an account something in every list of its page."""
    now = datetime.now(UTC)
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        database = client.gateway
        subject = database.accounts.find_one({"username": username})["_id"]  # type: ignore[index]
        passkey = {"subject": subject, "credential": b"", "sign_count": 1, "created": now, "backed_up": True}
        database.passkeys.insert_one({"_id": "one", **passkey, "name": "Work laptop", "last_used": now})
        link = {"_id": f"https://idp.example {'n' * 40}", "subject": subject, "created": now}
        database.upstream_links.insert_one(link)
        scopes = ["enrolment.people:write", "enrolment.organisations:read"]
        consent = {"scopes": scopes, "expires": now + timedelta(days=90)}
        database.consents.insert_one({"_id": f"{subject} {REGISTRAR[0]}", **consent})


def test_the_pages_about_accounts_pass_in_a_browser(gateway: Gateway, engines: Engines, tmp_path: Path) -> None:
    origin, username = gateway.origin, gateway.person()
    languages = ("en", "sv", "fi", "lt", "de")
    signed_out = [
        {"name": f"{name}-{language}", "url": f"{origin}{path}{'&' if '?' in path else '?'}lang={language}"}
        for name, path in (("login", "/login"), ("signup", "/signup"))
        for language in languages
    ]
    single = [
        {"name": "password", "url": f"{origin}/password?lang=de"},
        {"name": "signup-sent", "url": f"{origin}/signup/sent?lang=de"},
        {"name": "password-sent", "url": f"{origin}/password/sent?lang=fi"},
        {"name": "password-set", "url": f"{origin}/login?done=password&lang=en"},
        {"name": "link-gone", "url": f"{origin}/signup/confirm?link=x&lang=lt", "statuses": [410]},
        {"name": "provider-away", "url": f"{origin}/login/upstream/eu-login?lang=en", "statuses": [503]},
    ]
    cookies = gateway.cookies_of(username)
    fill(engines, username)
    gateway.cookies_of(username)
    signed_in = [
        {"name": f"account-{language}", "url": f"{origin}/account?done=profile&lang={language}", "cookies": cookies}
        for language in languages
    ]

    check([*signed_out, *single, *signed_in], tmp_path)


def test_a_passkey_of_a_real_browser_is_added_used_and_removed(gateway: Gateway) -> None:
    command = ["node", "passkeys.mjs", gateway.origin, gateway.person(), PASSWORD]

    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["errors"] == []
    assert said["added"] == "Your passkey was added. You can sign in with it from now on."
    assert said["credentials"] == [{"isResidentCredential": True, "rpId": "localhost", "signCount": 1}]
    assert said["method"] == "Passkey"
    assert said["unverified"] == "No passkey was used. Try again, or sign in with your password."
    assert said["removed"] == "The passkey was removed. Nobody can sign in with it any more."
    assert said["refused"].startswith("This passkey is not known here or could not be checked.")
    assert said["withoutScript"] is False
    assert said["signedInWithoutScript"] == "/account"
