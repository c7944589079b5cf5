"""The quickest telling experiments, as `./cme faults` runs them; `CME_FAULT_SEED` repeats a run."""

import json
import os
import subprocess
import time
from typing import Any

import pytest
from cme_local.processes import project_root

pytestmark = pytest.mark.timeout(600)
HOLDING = ("connections-cut", "every-message-three-times", "same-key-at-once", "answers-lost", "database-killed")
SABOTAGE = ("without-the-outbox", "without-the-inbox")


def _faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(project_root() / "cme"), "faults", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("faults") / "rows.json"
    seed = os.environ.get("CME_FAULT_SEED") or str(time.time_ns() % 2**31)
    run = _faults(*HOLDING, *SABOTAGE, "--rounds", "1", "--seed", seed, "--json", str(file))
    print(run.stdout, run.stderr)
    return {row["experiment"]: row for row in json.loads(file.read_text())["rows"]}


@pytest.mark.parametrize("name", HOLDING)
def test_a_fault_loses_and_repeats_nothing(rows: dict[str, Any], name: str) -> None:
    row = rows[name]

    assert (row["lost"], row["duplicated"], row["violations"]) == (0, 0, 0), row["details"]
    assert row["ok"] == row["acknowledged"] > 0


@pytest.mark.parametrize(("name", "kind"), [(SABOTAGE[0], "lost"), (SABOTAGE[1], "duplicated")])
def test_a_platform_without_its_guard_is_caught(rows: dict[str, Any], name: str, kind: str) -> None:
    assert rows[name][kind] > 0


def test_an_unknown_experiment_is_named() -> None:
    refused = _faults("no-such-experiment")

    assert refused.returncode == 2
    assert "no-such-experiment" in refused.stderr


def test_the_list_has_a_sentence_for_each() -> None:
    listed = _faults("--list").stdout.splitlines()

    assert len(listed) >= len(HOLDING + SABOTAGE)
    assert all(line.endswith((".", ")")) for line in listed)
