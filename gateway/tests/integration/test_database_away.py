"""The database goes away in the middle: whoever asks is told to come again, and nothing is half done when it is back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cme_kit.testing import QUIET, _engine, _wait_for, free_port

from .signers import KeyClient

pytestmark = pytest.mark.timeout(180)
REQUESTED = "/oauth/authorize"


class OwnDatabase:
    """A database server of one test, which may end and begin again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [_engine("secantusd-py"), "--port", str(self.port), "--storage-path", str(self._folder / "db")]
        self._process = subprocess.Popen([*command, "--sync-on-commit"], cwd=self._folder, **QUIET)
        _wait_for(self.port, self._process)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OwnDatabase]:
    own = OwnDatabase(tmp_path)
    own.start()
    yield own
    own.kill()


def test_every_flow_is_answered_and_goes_on_afterwards(
    another_gateway: Any, database: OwnDatabase, helpers: Any
) -> None:
    gateway = another_gateway(mongo_url=database.url)
    machine, person, app = (
        gateway.machine("enrolment.applications:read"),
        gateway.person(),
        gateway.app(scopes=["openid", "enrolment.people:write"]),
    )
    partner = KeyClient(
        gateway, grant_types=["authorization_code", "refresh_token"], redirect_uris=["https://app.example/callback"]
    )
    verifier, challenge = helpers.pkce()
    code = helpers.exchange(app, person.allow(app, challenge)["code"], verifier)
    tokens = person.tokens(app)
    token = gateway.client_credentials(machine).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": app}
    pushed = {
        "response_type": "code",
        "client_id": partner.client_id,
        "redirect_uri": "https://app.example/callback",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    metadata = {"client_name": "An app", "redirect_uris": ["https://app.example/callback"]}
    page = {"Origin": "https://page.example"}
    query = {**pushed, "client_id": app, "redirect_uri": helpers.callback}

    def post(path: str, **sent: Any) -> httpx.Response:
        return httpx.post(gateway.url + path, timeout=40, **sent)

    def get(path: str, **sent: Any) -> httpx.Response:
        return httpx.get(gateway.url + path, timeout=40, **sent)

    asked: dict[str, Callable[[], httpx.Response]] = {
        "a token of a client that is known": lambda: post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=machine
        ),
        "a wrong secret": lambda: post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(machine[0], "wrong")
        ),
        "an unknown client": lambda: post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=("nobody", "wrong")
        ),
        "a code": lambda: post("/oauth/token", data=code),
        "a refresh": lambda: post("/oauth/token", data=refresh),
        "a push": lambda: partner.post("/oauth/par", pushed),
        "a question about a token": lambda: post("/oauth/introspect", data={"token": token}, auth=machine),
        "a revocation": lambda: post("/oauth/revoke", data={"token": token}, auth=machine),
        "a registration": lambda: post("/oauth/register", json=metadata),
        "who it is": lambda: get("/oauth/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}),
        "an authorization": lambda: get(REQUESTED, params=query, cookies=dict(person.browser.cookies)),
        "a token for a page": lambda: post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=machine, headers=page
        ),
        "a form of a page": lambda: post("/outreach/unsubscribe/x", headers=page),
        "a call": lambda: get("/enrolment/v1/applications/app_1", headers=bearer),
    }
    gateway.http.timeout = httpx.Timeout(40)
    database.kill()
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = dict(zip(asked, pool.map(lambda ask: ask(), asked.values()), strict=True))

    statuses = {name: answer.status_code for name, answer in answers.items()}
    away = 503
    assert statuses == {
        "a token of a client that is known": 200,
        "a wrong secret": 401,
        "an unknown client": away,
        "a code": away,
        "a refresh": away,
        "a push": away,
        "a question about a token": 200,
        "a revocation": away,
        "a registration": away,
        "who it is": away,
        "an authorization": away,
        "a token for a page": 200,
        "a form of a page": away,
        "a call": 200,
    }
    assert all(answer.headers.get("retry-after") for answer in answers.values() if answer.status_code == away)

    database.start()

    def again(name: str) -> int:
        for _ in range(20):
            answer = asked[name]()
            if answer.status_code != away:
                break
        return answer.status_code

    # What was refused was not used up, and a grant whose code came back late is not taken for a stolen one.
    assert [again(name) for name in ("a code", "a refresh", "a push", "a revocation")] == [200, 200, 201, 200]
    assert again("a call") == 401
