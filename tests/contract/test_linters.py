"""The linters of others find nothing in the documents that the gateway serves, with every rule they have."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cme_contracts.documents import asyncapi as events_of_the_bus
from cme_local.processes import project_root
from gateway.webhooks.document import asyncapi as events_of_webhooks

FOLDER = Path(__file__).parent / "openapi"
ENVIRONMENT = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def found_by(*command: str | Path) -> str:
    """What a linter prints. Fails when its packages are not there, or when it finds something."""
    if not (FOLDER / "node_modules").is_dir():
        pytest.fail("Its packages are not installed: run `npm ci --prefix tests/contract/openapi`")
    done = subprocess.run(
        ["node", *map(str, command)], cwd=FOLDER, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    return done.stdout


def spectral(ruleset: str, document: Path) -> str:
    program = FOLDER / "node_modules" / "@stoplight" / "spectral-cli" / "dist" / "index.js"
    return found_by(program, "lint", "--ruleset", ruleset, "--fail-severity", "hint", document)


@pytest.fixture
def file(document: dict[str, Any], tmp_path: Path) -> Path:
    written = tmp_path / "openapi.json"
    written.write_text(json.dumps(document))
    return written


def test_spectral_finds_nothing_in_the_api(file: Path) -> None:
    assert "No results" in spectral("api.spectral.yaml", file)


def test_redocly_finds_nothing_in_the_api(file: Path) -> None:
    program = FOLDER / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"

    found_by(program, "lint", "--config", "redocly.yaml", file)


@pytest.mark.parametrize("events", [events_of_the_bus, events_of_webhooks], ids=["of the bus", "of webhooks"])
def test_spectral_finds_nothing_in_the_events(events: Any, tmp_path: Path) -> None:
    # The document of the bus refers to the schemas beside it.
    (tmp_path / "schemas").symlink_to(project_root() / "contracts" / "schemas")
    written = tmp_path / "asyncapi.json"
    written.write_text(json.dumps(events()))

    assert "No results" in spectral("events.spectral.yaml", written)
