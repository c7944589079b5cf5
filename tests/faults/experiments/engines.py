"""Engines that die or stand still."""

import asyncio

from ..scene import Scene, experiment

SOME = 20


@experiment("database-killed", rounds=5)
async def database_killed(scene: Scene) -> None:
    """The database is killed under load."""
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        await asyncio.sleep(scene.dice.uniform(0, 0.3))
        await scene.rig.kill_and_wait("mongo")
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("broker-killed", rounds=3)
async def broker_killed(scene: Scene) -> None:
    """The broker is killed under load."""
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        await asyncio.sleep(scene.dice.uniform(0, 0.3))
        await scene.rig.kill_and_wait("nats")
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("broker-down")
async def broker_down(scene: Scene) -> None:
    """The broker is down for some seconds; writes go on into the outbox."""
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        scene.rig.hold("nats")
        scene.require(await writes.acknowledge(100), "writes stood still while the broker was down")
        await scene.rig.release("nats")
        scene.healed()


async def _stands_still(scene: Scene, name: str, seconds: float) -> None:
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        async with scene.rig.frozen(name):
            await asyncio.sleep(seconds)
        scene.healed()
        scene.require(await writes.acknowledge(SOME), f"no write was acknowledged after {name} went on")


@experiment("database-frozen")
async def database_frozen(scene: Scene) -> None:
    """The database stands still for 5 s (SIGSTOP)."""
    await _stands_still(scene, "mongo", 5)


@experiment("database-frozen-long")
async def database_frozen_long(scene: Scene) -> None:
    """The database stands still for 25 s, longer than every deadline (SIGSTOP)."""
    await _stands_still(scene, "mongo", 25)


@experiment("broker-frozen")
async def broker_frozen(scene: Scene) -> None:
    """The broker stands still for 15 s, longer than clients wait for its pong (SIGSTOP)."""
    await _stands_still(scene, "nats", 15)
