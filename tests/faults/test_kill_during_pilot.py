"""SIGKILL of any process at a random moment of the pilot, and its restart, change no figure.

The disturbed years are played like the undisturbed one, by `./cme demo --exit`. Each process is killed once, in a stage
drawn at random and at a random moment of it, in one of two years: a year for each of the eight processes would take
four times as long. The stages of a year's kills differ. `CME_FAULT_SEED` draws the same again.

Every figure has to be equal, the numbers of events as well: nothing is published or applied twice. What is left out are
times, ids and addresses.
"""

import os
import random
import signal
import time
from typing import Any

import pytest

from ..demo_runs import DemoRun, start_demo, stop  # noqa: TID252  (the folders of tests are no packages)

pytestmark = pytest.mark.timeout(900)
YEARS = (("credentials", "enrolment", "gateway", "nats"), ("assessment", "curriculum", "mongo", "outreach"))
#: As the player prints a stage when it is over, and what the table calls its seconds.
STAGES = {
    "people": "Partners, clusters and people",
    "selection": "Applications, scores, offers",
    "agreements": "Plans and learning agreements",
    "modules": "Four modules",
    "directory": "Directory and consents",
    "campaign": "Campaign, answers",
}
NATURAL = {"wall_s", "seconds", "trace_id", "samples"}


@pytest.fixture
def undisturbed(demo: DemoRun) -> dict[str, Any]:
    return demo.table()


def _finished(run: DemoRun) -> dict[str, Any]:
    assert run.process.wait(500) == 0, run.output[-4000:]
    return run.table()


def _wait_for_stage(run: DemoRun, stage: str) -> None:
    """Until the stage before is over."""
    before = list(STAGES)[: list(STAGES).index(stage)]
    if before:
        run.eventually(lambda: f"{STAGES[before[-1]]}" in run.output, 400)
    else:
        run.eventually(run.stack_file.exists, 120)


@pytest.mark.parametrize("names", YEARS, ids="-".join)
def test_a_killed_process_changes_no_figure(
    names: tuple[str, ...], undisturbed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = os.environ.get("CME_FAULT_SEED") or str(time.time_ns())
    dice = random.Random(f"{seed} {names}")
    stages = sorted(dice.sample(list(STAGES), len(names)), key=list(STAGES).index)
    kills = [
        (name, stage, dice.uniform(0, undisturbed["seconds"][stage]))
        for name, stage in zip(dice.sample(names, len(names)), stages, strict=True)
    ]
    print(f"CME_FAULT_SEED={seed}: {kills}")  # noqa: T201  (to repeat a failure)
    run = start_demo(tmp_path_factory.mktemp("disturbed"), "--exit")
    try:
        for name, stage, delay in kills:
            _wait_for_stage(run, stage)
            time.sleep(delay)
            victim = run.pids()[name]
            os.kill(victim, signal.SIGKILL)
            run.eventually(lambda name=name, victim=victim: run.pids().get(name, victim) != victim, 30)
        alive = run.children()
        table = _finished(run)
    finally:
        stop(run)

    assert not [child for child in alive if child.is_running()]
    assert {k: v for k, v in table.items() if k not in NATURAL} == {
        k: v for k, v in undisturbed.items() if k not in NATURAL
    }
