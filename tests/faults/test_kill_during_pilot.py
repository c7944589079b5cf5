"""SIGKILL of any process at a random moment of the pilot, and its restart, change no figure.

The disturbed years are played like the undisturbed one, by `./cme demo --exit`. Each process is killed once, at a
moment of the year drawn at random, in one of two years: a year for each of the eight processes would take four times
as long. `CME_FAULT_SEED` draws the same again.

Every figure has to be equal, the numbers of events as well: nothing is published or applied twice. What is left out are
times, ids and addresses.
"""

import os
import random
import signal
import time
from typing import Any

import pytest

from ..demo_runs import DemoRun, start_demo, stop

pytestmark = pytest.mark.timeout(900)
YEARS = (("credentials", "enrolment", "gateway", "nats"), ("assessment", "curriculum", "mongo", "outreach"))
#: A disturbed year takes longer than an undisturbed one: up to here the pilot is still played.
LATEST = 0.9
NATURAL = {"wall_s", "seconds", "trace_id", "samples"}


@pytest.fixture
def undisturbed(demo: DemoRun) -> dict[str, Any]:
    return demo.table()


def _finished(run: DemoRun) -> dict[str, Any]:
    assert run.process.wait(500) == 0, run.output[-4000:]
    return run.table()


@pytest.mark.parametrize("names", YEARS, ids="-".join)
def test_a_killed_process_changes_no_figure(
    names: tuple[str, ...], undisturbed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = os.environ.get("CME_FAULT_SEED") or str(time.time_ns())
    dice = random.Random(f"{seed} {names}")
    moments = sorted(dice.uniform(0, LATEST * undisturbed["wall_s"]) for _ in names)
    kills = list(zip(moments, dice.sample(names, len(names)), strict=True))
    print(f"CME_FAULT_SEED={seed}: {kills}")
    run = start_demo(tmp_path_factory.mktemp("disturbed"), "--exit")
    try:
        run.eventually(run.stack_file.exists, 120)
        began = time.monotonic()
        for moment, name in kills:
            time.sleep(max(0.0, began + moment - time.monotonic()))
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
