"""Runs experiments one after another, those of one kind on one stack."""

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from .disks import NotPossible
from .outcome import Row
from .rig import Rig, rigged, rigged_on_small_disks
from .scene import Experiment, perform


def _stage(name: str, without: str, seed: int) -> AbstractAsyncContextManager[Rig]:
    dice = random.Random(f"{seed} {name}")
    stages: dict[str, Callable[[random.Random, str], AbstractAsyncContextManager[Rig]]] = {
        "proxied": rigged,
        "models": rigged,
        "year": rigged,
        "small disks": rigged_on_small_disks,
        "cluster": partial(rigged, nats_nodes=3),
    }
    return stages[name](dice, without)


async def run_all(chosen: Sequence[Experiment], seed: int, rounds: int | None, minutes: float) -> list[Row]:
    """The rows of all, in the order of the table."""
    rows: dict[str, Row] = {}
    for stage, without in dict.fromkeys((one.stage, one.without) for one in chosen):
        here = [one for one in chosen if (one.stage, one.without) == (stage, without)]
        try:
            async with _stage(stage, without, seed) as rig:
                for one in here:
                    rows[one.name] = await _announced(one, rig, seed, rounds, minutes)
        except NotPossible as why:
            rows |= {one.name: Row(one.name, not_possible=str(why)) for one in here}
    return [rows[one.name] for one in chosen]


async def _announced(one: Experiment, rig: Rig, seed: int, rounds: int | None, minutes: float) -> Row:
    began = time.monotonic()
    row = await perform(one, rig, seed, rounds, minutes)
    verdict = "not possible here" if row.not_possible else "ok" if row.holds else "FAILED"
    print(f"{one.name}: {verdict}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return row
