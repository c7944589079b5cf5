"""The platform's pages in a real browser: axe, overflow at four widths, visible focus, no refused resource."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(600)


def operator_link(stack: dict[str, Any]) -> str:
    """A link that signs an operator in once."""
    headers = {"Authorization": f"Bearer {stack['operations_token']}"}
    base = stack["urls"]["otlp"]
    code = httpx.post(f"{base}/login/codes", headers=headers, trust_env=False).raise_for_status().json()["code"]
    return f"{base}/login?code={code}"


def operator_cookies(stack: dict[str, Any]) -> list[dict[str, str]]:
    """The session of a signed-in operator, for the browser."""
    answer = httpx.get(operator_link(stack), trust_env=False)
    return [{"name": name, "value": value, "url": stack["urls"]["otlp"]} for name, value in answer.cookies.items()]


def pages_of(demo: DemoRun) -> list[dict[str, Any]]:
    stack, table = demo.stack(), demo.table()
    api, traces, mail = stack["api"], stack["urls"]["traces"], stack["urls"]["mail"]
    operations = stack["urls"]["otlp"]
    credential = table["samples"]["unit_badge"].rpartition("/")[2]
    cookies = operator_cookies(stack)
    samples = table["samples"]
    client = next(client for client in stack["clients"] if client["name"] == "sandbox-app")
    authorize = httpx.URL(
        f"{api}/oauth/authorize",
        params={
            "response_type": "code",
            "client_id": client["client_id"],
            "redirect_uri": client["redirect_uris"][0],
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
            "state": "s",
        },
    )
    return [
        {"name": "courses", "url": f"{api}/courses"},
        {"name": "course-lt", "url": samples["course"] + "?lang=lt"},
        {"name": "badge", "url": samples["unit_badge"] + "?lang=en"},
        {"name": "programme-badge-de", "url": samples["programme_badge"] + "?lang=de"},
        {"name": "revoked-badge", "url": samples["revoked_badge"] + "?lang=en"},
        {"name": "verify", "url": f"{api}/verify"},
        {"name": "sign-in", "url": str(authorize)},
        {"name": "reference-of-a-service", "url": f"{api}/docs/enrolment"},
        {"name": "operator-sign-in", "url": f"{operations}/login", "statuses": [401]},
        {"name": "traces", "url": traces, "cookies": cookies},
        {"name": "trace", "url": f"{traces}/{table['trace_id']}"},
        {"name": "way", "url": f"{operations}/way?id={credential}"},
        {"name": "way-of-nothing", "url": f"{operations}/way?id=anna", "statuses": [400]},
        {"name": "map", "url": f"{operations}/map"},
        {"name": "map-of-the-last-minutes", "url": f"{operations}/map?minutes=5"},
        {"name": "routes", "url": f"{operations}/routes"},
        {"name": "events-applied", "url": f"{operations}/routes?side=applied&sort=slowest"},
        {"name": "no-such-route", "url": f"{operations}/routes?service=no-such-service"},
        {"name": "events", "url": f"{operations}/events"},
        {"name": "dead-letters", "url": f"{operations}/dead-letters"},
        {"name": "no-such-dead-letter", "url": f"{operations}/dead-letters/outreach/1", "statuses": [404]},
        {"name": "mails", "url": mail},
        {"name": "nothing-there", "url": f"{api}/courses/no-such-course", "statuses": [404]},
    ]


def check(pages: list[dict[str, Any]], folder: Path) -> None:
    """Fail with what a person would meet on any of these pages."""
    if shutil.which("chromium") is None or not (HERE / "node_modules").is_dir():
        pytest.fail("Install what this needs: apt-get install -y chromium && npm ci --prefix tests/pages")
    listed = folder / "pages.json"
    listed.write_text(json.dumps(pages))

    done = subprocess.run(
        ["node", "check.mjs", str(listed)], cwd=HERE, capture_output=True, text=True, check=False, env={**os.environ}
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["runs"] == len(pages) * 4
    assert result["findings"] == [], json.dumps(result["findings"], indent=1)


def test_every_page_passes_in_a_browser(demo: DemoRun, tmp_path: Path) -> None:
    check(pages_of(demo), tmp_path)
