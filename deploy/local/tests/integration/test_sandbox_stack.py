"""The sandbox of a whole stack: there when it is called, apart from what is real, and gone with the stack."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from .conftest import Up, eventually, is_gone

pytestmark = pytest.mark.timeout(180)


class Sandbox:
    """What the tests ask of a stack and of its sandbox."""

    def __init__(self, up: Up, http: httpx.Client) -> None:
        self.up = up
        self.api: str = up.stack()["api"]
        self.base: str = up.stack()["urls"]["sandbox"]
        self._http = http

    def token(self, client_id: str) -> str:
        client = next(one for one in self.up.stack()["clients"] if one["client_id"] == client_id)
        answer = self._http.post(
            f"{self.api}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client_id, client["client_secret"]),
        )
        return str(answer.raise_for_status().json()["access_token"])

    def get(self, url: str, token: str | None = None, accept: str = "application/json") -> httpx.Response:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})

        def answer() -> httpx.Response | None:
            # On a busy machine the first filling takes longer than a request may.
            found = self._http.get(url, headers=headers)
            return None if found.status_code == httpx.codes.SERVICE_UNAVAILABLE else found

        found = eventually(answer, within_s=60)
        assert found is not None
        return found

    def awards(self) -> list[dict[str, Any]]:
        answer = self.get(f"{self.base}/credentials/v1/awards?limit=100", self.token("test-partner"))
        return list(answer.raise_for_status().json()["items"])

    def verify(self, api: str, document: Any) -> dict[str, str]:
        answer = self._http.post(f"{api}/credentials/v1/verification", json={"credential": document})
        checks = answer.raise_for_status().json()["checks"]
        return {check["check"]: check["result"] for check in checks}


@pytest.fixture(scope="module")
def sandbox(real_stack: Up) -> Iterator[Sandbox]:
    with httpx.Client(timeout=30, trust_env=False) as http:
        yield Sandbox(real_stack, http)


def test_the_line_that_is_printed_works_as_pasted_though_no_sandbox_runs_yet(sandbox: Sandbox) -> None:
    # Whichever test comes first has started it.
    eventually(lambda: "Ctrl-C" in sandbox.up.log())
    lines = sandbox.up.log().splitlines()
    line = lines[next(n for n, text in enumerate(lines) if "A first call of the sandbox" in text) + 1]

    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)

    assert len(json.loads(done.stdout)["items"]) == 14


def test_what_is_real_is_not_there_and_what_is_there_is_not_real(sandbox: Sandbox) -> None:
    sandbox.awards()

    there = sandbox.get(f"{sandbox.base}/courses").json()["items"]
    real = sandbox.get(f"{sandbox.api}/courses").json()["items"]

    assert [course["title"]["en"] for course in there] == ["Cluster Manager Education (test data)"]
    assert real == []


def test_a_token_opens_the_sandbox_or_what_is_real_and_never_both(sandbox: Sandbox) -> None:
    path = "/credentials/v1/awards"
    test, live = sandbox.token("test-partner"), sandbox.token("sandbox-secret")

    assert sandbox.get(sandbox.base + path, test).status_code == 200
    assert sandbox.get(sandbox.api + path, test).status_code == 401
    assert sandbox.get(sandbox.base + path, live).status_code == 401
    assert sandbox.get(sandbox.api + path, live).status_code == 200


def test_a_badge_of_the_sandbox_is_verified_there_and_vouched_for_nowhere_else(sandbox: Sandbox) -> None:
    badge = sandbox.get(sandbox.awards()[0]["url"]).json()

    assert set(sandbox.verify(sandbox.base, badge).values()) == {"passed"}
    real = sandbox.verify(sandbox.api, badge)
    assert (real["signature"], real["issuer"], real["status"]) == ("unknown", "unknown", "unknown")


def test_one_badge_was_revoked_and_issued_again(sandbox: Sandbox) -> None:
    again = [award for award in sandbox.awards() if award["edition"] == 2]

    assert len(again) == 1
    assert again[0]["reissue_reason"] == "Test data: issued again."


def test_the_did_of_the_sandbox_leads_to_its_keys(sandbox: Sandbox) -> None:
    issuer = sandbox.get(sandbox.awards()[0]["url"]).json()["issuer"]["id"]
    host, *path = [unquote(part) for part in issuer.removeprefix("did:web:").split(":")]

    document = sandbox.get(f"http://{'/'.join([host, *path])}/did.json").json()

    assert path == ["sandbox"]
    assert document["id"] == issuer


def test_its_pages_lead_to_its_pages(sandbox: Sandbox) -> None:
    page = sandbox.get(f"{sandbox.base}/courses", accept="text/html").text

    assert 'href="/sandbox/courses/cluster-manager"' in page
    assert "everything here is test data" in page


def test_it_comes_back_when_it_was_killed_and_is_filled_once(sandbox: Sandbox) -> None:
    before = sandbox.awards()
    pid = sandbox.up.pids()["sandbox"]

    os.kill(pid, signal.SIGKILL)
    eventually(lambda: sandbox.up.pids().get("sandbox") != pid)
    after = sandbox.awards()

    assert after == before
    assert not is_gone(sandbox.up.pids()["outreach"])
