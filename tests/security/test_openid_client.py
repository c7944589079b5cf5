"""openid-client (npm), a certified client that is not ours, completes every flow in both profiles."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

#: The first test that looks at the demonstration waits for all of it.
pytestmark = pytest.mark.timeout(600)
JS = Path(__file__).parent / "js"
FLOWS = 13


def test_it_completes_every_flow(oauth: Any) -> None:
    if not (JS / "node_modules").is_dir():
        pytest.fail("Its packages are not installed: run `npm ci --prefix tests/security/js`")

    run = subprocess.run(
        ["node", JS / "flows.mjs"],
        input=json.dumps(asdict(oauth)).encode(),
        capture_output=True,
        timeout=100,
        check=False,
    )

    results = json.loads(run.stdout or b"{}")
    assert [f"{name}: {result}" for name, result in results.items() if result != "ok"] == [], run.stderr.decode()
    assert len(results) == FLOWS
