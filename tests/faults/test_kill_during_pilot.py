"""SIGKILL of any process at a random moment of the pilot, and its restart, change no figure.

The disturbed years run in the same way as the undisturbed one. Each process is killed once, at a random moment of one
of three years (the moments of a year are at least 4 s apart, so that one is back before the next goes): a year for each
of the eight would take three times as long and say the same. `CME_FAULT_SEED` repeats the moments of an earlier run.
"""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ..e2e.demo_runs import DemoRun, start_demo, stop  # noqa: TID252 -- the folders of tests are no packages

pytestmark = pytest.mark.timeout(900)
YEARS = (("credentials", "enrolment", "gateway"), ("assessment", "curriculum", "nats"), ("mongo", "outreach"))
APART_S = 4.0
#: What tells one play from another by its nature: times, ids, addresses.
NATURAL = {"wall_s", "seconds", "trace_id", "samples"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = start_demo(tmp_path_factory.mktemp("undisturbed"), "--exit")
    return _finished(run)


def _finished(run: DemoRun) -> dict[str, Any]:
    try:
        code = run.process.wait(500)
    finally:
        stop(run)
    assert code == 0, run.output[-4000:]
    return run.table()


def _moments(dice: random.Random, count: int, length_s: float) -> list[float]:
    """Random moments of the play, in order and apart from each other."""
    free = max(length_s - 2 - APART_S * (count - 1), 1)
    return [
        1 + moment + APART_S * number
        for number, moment in enumerate(sorted(dice.uniform(0, free) for _ in range(count)))
    ]


@pytest.mark.parametrize("names", YEARS, ids="-".join)
def test_a_killed_process_changes_no_figure(
    names: tuple[str, ...], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    seed = os.environ.get("CME_FAULT_SEED") or str(time.time_ns())
    dice = random.Random(f"{seed} {names}")
    order = dice.sample(names, len(names))
    moments = _moments(dice, len(names), undisturbed["wall_s"])
    print(f"CME_FAULT_SEED={seed}:", dict(zip(order, moments, strict=True)))  # noqa: T201  (to repeat a failure)
    run = start_demo(tmp_path, "--exit")
    run.eventually(run.stack_file.exists, 120)
    began = time.monotonic()
    killed = {}
    for name, moment in zip(order, moments, strict=True):
        time.sleep(max(began + moment - time.monotonic(), 0))
        killed[name] = run.pids()[name]
        os.kill(killed[name], signal.SIGKILL)
    run.eventually(lambda: all(run.pids().get(name, pid) != pid for name, pid in killed.items()), 30)

    table = _finished(run)

    assert {k: v for k, v in table.items() if k not in NATURAL} == {
        k: v for k, v in undisturbed.items() if k not in NATURAL
    }
