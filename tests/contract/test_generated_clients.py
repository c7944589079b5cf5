"""Clients that others' generators make from the document compile, and call the API they were made from."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages
from .fuzzing.callers import Callers

FOLDER = Path(__file__).parent / "openapi"
SCOPES = ["enrolment.organisations:write"]
pytestmark = [pytest.mark.timeout(600), pytest.mark.changes_the_demo]


def ran(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    return done.stdout


@pytest.fixture
def served(demo: DemoRun, tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx.get(f"{demo.stack()['api']}/openapi.json", trust_env=False).raise_for_status().content)
    return file


@pytest.fixture
def python_client(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generated package that can be imported; a warning of the generator is a failure."""
    generator = Path(sysconfig.get_path("scripts")) / "openapi-python-client"
    package = tmp_path / "cme_client"
    ran(
        *(generator, "generate", "--path", served, "--meta", "none", "--output-path", package),
        *("--config", FOLDER / "python_client.yaml", "--fail-on-warning"),
        cwd=tmp_path,
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "cme_client"]:
        del sys.modules[name]


def operation(name: str) -> Any:
    return importlib.import_module(f"cme_client.api.enrolment.enrolment_{name}")


def model(name: str) -> Any:
    return getattr(importlib.import_module("cme_client.models"), name)


def test_a_generated_python_client_lists_creates_once_and_reads_problems(demo: DemoRun, python_client: Path) -> None:
    client_type = importlib.import_module("cme_client").AuthenticatedClient
    token = Callers(demo.folder / "data").token_for(SCOPES)
    new = model("EnrolmentNewOrganisation")(
        name=f"Cluster {uuid4()}", country="LT", kind=model("EnrolmentOrganisationKind").CLUSTER
    )

    key = str(uuid4())
    with client_type(base_url=demo.stack()["api"], token=token) as client:
        calls = operation("calls_list_calls").sync(client=client, limit=1)
        first, again = (
            operation("organisations_register_organisation").sync_detailed(client=client, body=new, idempotency_key=key)
            for _ in range(2)
        )
        missing = operation("calls_read_call").sync(client=client, call_id="call_nobody")

    assert calls.items[0].call_id.startswith("call_")
    assert first.parsed.organisation_id == again.parsed.organisation_id
    assert "ratelimit" in first.headers
    assert isinstance(missing, model("Problem"))
    assert (missing.status, missing.code) == (404, "not_found")


def test_every_module_of_a_generated_python_client_can_be_imported(python_client: Path) -> None:
    modules = [path.relative_to(python_client.parent).with_suffix("") for path in python_client.rglob("*.py")]

    for module in modules:
        importlib.import_module(".".join(module.parts).removesuffix(".__init__"))
    assert len(modules) > 400


def test_generated_typescript_types_hold_a_client_to_the_api_and_it_makes_real_calls(
    demo: DemoRun, served: Path, tmp_path: Path
) -> None:
    modules = FOLDER / "node_modules"
    if not modules.is_dir():
        pytest.fail("Its packages are not installed: run `npm ci --prefix tests/contract/openapi`")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("client.ts", "tsconfig.json"):
        shutil.copy(FOLDER / name, tmp_path)
    token = Callers(demo.folder / "data").token_for(SCOPES)

    ran("node", modules / "openapi-typescript" / "bin" / "cli.js", served, "-o", "schema.d.ts", cwd=tmp_path)
    ran("node", modules / "typescript" / "bin" / "tsc", "-p", ".", cwd=tmp_path)
    printed = ran("node", "client.js", cwd=tmp_path, API=demo.stack()["api"], TOKEN=token, KEY=str(uuid4()))

    told = json.loads(printed)
    assert told["titles"][0]
    assert told["created"][0] == told["created"][1]
    assert told["created"][0].startswith("org_")
    assert told["remaining"].startswith('"default";r=')
    assert told["problem"] == ["invalid_request", ["body.kind"]]
    assert told["missing"] == [404, "not_found"]
