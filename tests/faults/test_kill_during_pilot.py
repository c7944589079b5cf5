"""SIGKILL of any process at a random moment of the pilot, and its restart, change no figure.

The disturbed year is played like the undisturbed one, by `./cme demo --exit`. Each of the eight processes is killed
once, after a number of events drawn at random. `CME_FAULT_SEED` draws the same again.

Every figure has to be equal, the numbers of events as well: nothing is published or applied twice. What is left out are
times, ids and addresses.
"""

import os
import random
import signal
import time
from typing import Any

import httpx
import pytest

from ..demo_runs import DemoRun, start_demo, stop

pytestmark = pytest.mark.timeout(900)
PROCESSES = ("assessment", "credentials", "curriculum", "enrolment", "gateway", "mongo", "nats", "outreach")
#: Up to this part of its events the pilot is surely still played.
LATEST = 0.9
#: A year is played in about a minute, or in several on a busy machine.
PLAYED_WITHIN_S = 400
NATURAL = {"wall_s", "seconds", "trace_id", "samples"}


@pytest.fixture
def undisturbed(demo: DemoRun) -> dict[str, Any]:
    return demo.table()


def _finished(run: DemoRun) -> dict[str, Any]:
    assert run.process.wait(500) == 0, run.output[-4000:]
    return run.table()


def _published(run: DemoRun) -> int:
    """Events in the broker so far; it answers nothing while it starts again."""
    try:
        answer = httpx.get(f"{run.stack()['urls']['nats_monitoring']}/jsz", trust_env=False)
    except httpx.TransportError:
        return 0
    return int(answer.json().get("messages", 0))


def test_killed_processes_change_no_figure(
    undisturbed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = os.environ.get("CME_FAULT_SEED") or str(time.time_ns())
    dice = random.Random(seed)
    moments = sorted(dice.randrange(int(LATEST * undisturbed["events_published"])) for _ in PROCESSES)
    kills = list(zip(moments, dice.sample(PROCESSES, len(PROCESSES)), strict=True))
    print(f"CME_FAULT_SEED={seed}: {kills}")
    run = start_demo(tmp_path_factory.mktemp("disturbed"), "--exit")
    try:
        run.eventually(run.stack_file.exists, 120)
        for events, name in kills:
            run.eventually(lambda events=events: _published(run) >= events, PLAYED_WITHIN_S)
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
