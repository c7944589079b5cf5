"""One experiment from its workload to its row."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cme_local.check import run_check
from cme_local.secrets import NATS_TOOL_USER, load_or_create

from .disks import NotPossible
from .outcome import Row, compare
from .rig import Broken, Rig
from .workload import WRITES_PER_S, Workload

Act = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True)
class Experiment:
    """A fault, in a sentence and in code."""

    name: str
    text: str
    act: Act
    #: Which kind of stack it needs.
    stage: str
    #: How often it is repeated within one row unless `--rounds` says otherwise.
    rounds: int = 1
    #: Whether it runs only when it is named.
    only_by_name: bool = False
    #: The part of the platform that is taken away: the comparison must see it, or it sees nothing.
    without: str = ""


REGISTRY: dict[str, Experiment] = {}


def experiment(
    name: str, *, stage: str = "proxied", rounds: int = 1, without: str = "", only_by_name: bool = False
) -> Callable[[Act], Act]:
    """Register an experiment; its docstring's first line is what `--list` says."""

    def registered(act: Act) -> Act:
        text = (act.__doc__ or "").strip().splitlines()[0]
        REGISTRY[name] = Experiment(name, text, act, stage, rounds, only_by_name, without)
        return act

    return registered


@dataclass
class Scene:
    """What an experiment works with."""

    rig: Rig
    dice: random.Random
    row: Row
    run: str
    minutes: float = 1.0
    _healed_at: float | None = None
    loads: list[Workload] = field(default_factory=list)

    def require(self, holds: bool, text: str) -> None:
        """Count a violation unless it holds."""
        if not holds:
            self.row.violate(text)

    def healed(self) -> None:
        """From now on the platform is whole again: recovery is counted from here."""
        self._healed_at = time.monotonic()

    @asynccontextmanager
    async def load(self, pace: float = WRITES_PER_S) -> AsyncIterator[Workload]:
        """Writes while the block runs; afterwards each one that was begun is answered or given up."""
        workload = Workload(self.rig.api, f"{self.run} load {len(self.loads)}", pace)
        self.loads.append(workload)
        driving = asyncio.create_task(workload.drive())
        try:
            yield workload
        finally:
            workload.stop()
            await driving

    async def settle(self) -> None:
        """Wait for quiet, count recovery, and compare what was told with what is there."""
        self.rig.heal()
        healed_at = self._healed_at or time.monotonic()
        await self.rig.ready()
        waiting = await self.rig.quiet()
        self.row.recovery_s = round(max(self.row.recovery_s, time.monotonic() - healed_at), 1)
        self.row.violate(*(f"not quiet: {n} waiting in {what}" for what, n in waiting.items()))
        applied = await self.rig.stores.applied()
        registered = {record_id for _, record_id in await self.rig.stores.organisations()}
        for service, counts in applied.items():
            never_committed = counts.keys() - registered
            self.row.violate(*(f"applied and never committed: {i} at {service}" for i in never_committed))
        for workload in self.loads:
            told = workload.told
            stored = await self.rig.stores.organisations(workload.run)
            ids = {record_id for _, record_id in stored}
            effects = {service: {i: n for i, n in counts.items() if i in ids} for service, counts in applied.items()}
            self.row.acknowledged += len(told.acknowledged)
            self.row.add(compare(told.acknowledged, told.unknown, stored, effects))
            self.row.violate(*told.violations)
            self.row.figures["attempts"] = self.row.figures.get("attempts", 0) + told.attempts
            slowest = max(self.row.figures.get("slowest_answer_s", 0.0), told.slowest_s)
            self.row.figures["slowest_answer_s"] = round(slowest, 2)
        self.loads.clear()
        if not self.row.must_fail:
            self.row.violate(*await self.rig.newly_wrong())

    async def audit(self) -> None:
        """Settle, then have the auditor read every record, as `./cme check` does."""
        await self.settle()
        stack = self.rig.running.stack
        password = load_or_create(stack.data).nats_passwords[NATS_TOOL_USER]
        report = await run_check(stack.urls["mongo"], stack.urls["nats"], NATS_TOOL_USER, password)
        for invariant in report.invariants:
            self.row.violate(*(f"{invariant.name}: {text}" for text in invariant.violations))
        self.row.figures["records_checked"] = report.checked


async def perform(chosen: Experiment, rig: Rig, seed: int, rounds: int | None, minutes: float) -> Row:
    """Run an experiment on a stack and give its row; what it leaves broken is a violation."""
    row = Row(chosen.name, must_fail=bool(chosen.without))
    for number in range(rounds or chosen.rounds):
        dice = random.Random(f"{seed} {chosen.name} {number}")
        scene = Scene(rig, dice, row, f"{chosen.name} {dice.getrandbits(32):08x}", minutes)
        try:
            await chosen.act(scene)
            await scene.settle()
        except NotPossible as why:
            row.not_possible = str(why)
            break
        except Broken as failure:
            row.violate(str(failure))
            break
    return row
