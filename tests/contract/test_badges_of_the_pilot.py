"""Every badge that the pilot year issued is verified by software of others, from what the platform publishes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from credentials.jsonld.domain import context_file, pinned_contexts

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages

HERE = Path(__file__).parent
JSON = {"Accept": "application/json"}
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def published(demo: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All credentials with the contexts, the DID document and the status lists, as a verifier would gather them."""
    folder = tmp_path_factory.mktemp("published")
    for name in ("contexts", "status", "credentials"):
        (folder / name).mkdir()
    index = {url: f"{number}.json" for number, url in enumerate(pinned_contexts())}
    (folder / "contexts" / "index.json").write_text(json.dumps(index))
    for url, file in index.items():
        (folder / "contexts" / file).write_bytes(context_file(url))
    with httpx.Client(base_url=demo.stack()["api"], timeout=30, trust_env=False, headers=JSON) as api:
        (folder / "did.json").write_bytes(api.get("/.well-known/did.json").raise_for_status().content)
        lists = set()
        for url in {*addresses(demo, api), demo.table()["samples"]["revoked_badge"]}:
            credential = api.get(url).raise_for_status()
            (folder / "credentials" / f"{url.rpartition('/')[2]}.json").write_bytes(credential.content)
            lists.add(credential.json()["credentialStatus"]["statusListCredential"])
        for number, url in enumerate(sorted(lists)):
            (folder / "status" / f"{number}.json").write_bytes(api.get(url).raise_for_status().content)
    return folder


def addresses(demo: DemoRun, api: httpx.Client) -> list[str]:
    client = next(client for client in demo.stack()["clients"] if client["name"] == "sandbox-secret")
    pair = (client["client_id"], client["client_secret"])
    token = api.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=pair).raise_for_status().json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (
            api.get("/credentials/v1/awards", params={"limit": 200, **after}, headers=bearer).raise_for_status().json()
        )
        found += [award["url"] for award in page["items"]]
        if not page["next"]:
            return found
        after = {"after": page["next"]}


@pytest.mark.parametrize(
    "verifier",
    [["node", str(HERE / "js" / "verify.mjs")], [sys.executable, str(HERE / "verify_openbadgeslib.py")]],
    ids=["@digitalbazaar/vc", "openbadgeslib"],
)
def test_every_badge_is_accepted_and_only_the_revoked_one_is_revoked(
    verifier: list[str], published: Path, demo: DemoRun
) -> None:
    done = subprocess.run([*verifier, str(published)], capture_output=True, text=True, check=False)

    results: list[dict[str, Any]] = json.loads(done.stdout)["credentials"]
    table = demo.table()
    assert done.returncode == 0, [result for result in results if not result["verified"]]
    assert len(results) == table["unit_badges"] + table["programme_badges"] + table["revoked"]
    revoked = [result["file"] for result in results if result["revoked"]]
    assert revoked == [f"{table['samples']['revoked_badge'].rpartition('/')[2]}.json"]
