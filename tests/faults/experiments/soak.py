"""Any fault anywhere, again and again."""

import asyncio
import time

from ..scene import Scene, experiment

PAUSE_S = 5.0
PACE = 15.0


@experiment("soak", only_by_name=True)
async def soak(scene: Scene) -> None:
    """A random fault every 5 s for `--minutes`: a process killed or stopped, a connection cut, delayed or silenced."""
    ends = time.monotonic() + scene.minutes * 60
    faults = (_kill, _kill, _freeze, _cut, _delay, _black_hole, _lose_replies)
    async with scene.load(PACE):
        while time.monotonic() < ends:
            began = time.monotonic()
            fault = scene.dice.choice(faults)
            told = await fault(scene)
            scene.row.figures.setdefault("faults", []).append(told)
            await asyncio.sleep(max(0.0, PAUSE_S - (time.monotonic() - began)))
        scene.rig.heal()
        scene.healed()
    await scene.audit()


async def _victim(scene: Scene) -> str:
    """A process that is up: one that is just starting would not feel it, and its supervisor would give it up."""
    name = scene.dice.choice(scene.rig.names)
    await scene.rig.ready(name)
    return name


async def _kill(scene: Scene) -> str:
    name = await _victim(scene)
    scene.rig.kill(name)
    return f"kill {name}"


async def _freeze(scene: Scene) -> str:
    name = await _victim(scene)
    seconds = scene.dice.uniform(0.5, 4)
    async with scene.rig.frozen(name):
        await asyncio.sleep(seconds)
    return f"stop {name} {seconds:.1f} s"


async def _cut(scene: Scene) -> str:
    place, link = scene.dice.choice(list(scene.rig.links.items()))
    link.cut()
    return f"cut {place}"


async def _delay(scene: Scene) -> str:
    place, link = scene.dice.choice(list(scene.rig.links.items()))
    link.delay(0.2, 0.1)
    await asyncio.sleep(4)
    link.heal()
    return f"delay {place}"


async def _black_hole(scene: Scene) -> str:
    place, link = scene.dice.choice(list(scene.rig.links.items()))
    link.black_hole()
    await asyncio.sleep(4)
    link.heal()
    return f"black hole {place}"


async def _lose_replies(scene: Scene) -> str:
    place, link = scene.dice.choice(list(scene.rig.links.items()))
    link.lose_replies()
    await asyncio.sleep(1)
    link.cut()
    link.heal()
    return f"lose replies {place}"
