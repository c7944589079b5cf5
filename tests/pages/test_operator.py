"""An operator follows one learner's whole way from an id, in a real browser."""

import json
import subprocess
from pathlib import Path

import pytest

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages
from .test_pages import operator_link

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(300)


def test_an_operator_follows_a_learner_from_a_badge_to_the_application(demo: DemoRun) -> None:
    stack = demo.stack()
    credential = demo.table()["samples"]["unit_badge"].rpartition("/")[2]

    done = subprocess.run(
        ["node", "way.mjs", operator_link(stack), credential], cwd=HERE, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["address"] == stack["urls"]["traces"]
    assert said["traces"] >= 1
    assert said["learnersTraces"] >= 1
    spans = " ".join(said["waterfall"])
    for step in ("application.submitted", "learner.enrolled", "credit.recognised", "credential.issued"):
        assert f"publish cme.enrolment.{step}" in spans or f".{step}" in spans, step
    assert "messaging.message.id" in said["drawer"]
    assert said["logs"] == 1


def test_a_list_follows_what_happens_until_it_is_paused(demo: DemoRun) -> None:
    done = subprocess.run(
        ["node", "live.mjs", operator_link(demo.stack())], cwd=HERE, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"errors": [], "before": 0, "paused": 1, "resumed": 2}
