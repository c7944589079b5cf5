"""Disks that are full, and power that fails."""

import asyncio
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from ..scene import Scene, experiment

SOME = 40


async def _full(scene: Scene, engine: str, felt: Callable[[Scene], Awaitable[bool]]) -> None:
    disk = scene.rig.disks[engine]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        disk.fill()
        await asyncio.sleep(4)
        scene.require(await felt(scene), "the engine did not feel its full disk")
        await asyncio.sleep(4)
        disk.free()
        # An engine that met a full disk serves again only after a restart.
        await scene.rig.kill_and_wait(engine)
        scene.healed()
        scene.require(await writes.acknowledge(SOME), "no write was acknowledged after there was room again")


async def _database_refuses(scene: Scene) -> bool:
    """Fill what the database had set aside for its log, until it refuses a write."""
    ballast = scene.rig.stores.mongo["ballast"]["ballast"]
    for _ in range(200):
        try:
            await ballast.insert_one({"text": scene.dice.randbytes(256 * 1024)})
        except PyMongoError:
            return True
    return False


async def _events_wait(scene: Scene) -> bool:
    return await scene.rig.stores.mongo["enrolment"]["outbox"].count_documents({"published": False}) > 0


async def _power_cut(scene: Scene, engine: str) -> None:
    disk = scene.rig.disks[engine]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        async with scene.rig.frozen(engine):
            await disk.power_cut()
            scene.rig.hold(engine)
        await scene.rig.until(lambda: scene.rig.running.supervisor.children[engine].pid is None, "it dies")
        await disk.restore()
        await scene.rig.release(engine)
        scene.healed()
        scene.require(await writes.acknowledge(SOME), "no write was acknowledged after the power was back")


@experiment("database-power-cut", stage="small disks", rounds=3)
async def database_power_cut(scene: Scene) -> None:
    """The database's machine loses power: only what its disk had is there afterwards."""
    await _power_cut(scene, "mongo")


@experiment("broker-power-cut", stage="small disks", rounds=3)
async def broker_power_cut(scene: Scene) -> None:
    """The broker's machine loses power: only what its disk had is there afterwards."""
    await _power_cut(scene, "nats")


@experiment("database-disk-full", stage="small disks")
async def database_disk_full(scene: Scene) -> None:
    """The database's disk is full for 8 s; it is restarted when there is room again."""
    await _full(scene, "mongo", _database_refuses)


@experiment("broker-disk-full", stage="small disks")
async def broker_disk_full(scene: Scene) -> None:
    """The broker's disk is full for 8 s; it is restarted when there is room again."""
    await _full(scene, "nats", _events_wait)
