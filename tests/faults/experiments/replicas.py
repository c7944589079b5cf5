"""Two processes of one service, of which one leads."""

import asyncio

from ..scene import Scene, experiment

SOME = 30
#: Longer than the lease of 4 s.
AWAY_S = 10
#: Five times the lease: to the clock that is ahead the other one's lease is always over.
AHEAD_S = 20


@experiment("lease-handed-over")
async def lease_handed_over(scene: Scene) -> None:
    """The replica that publishes dies; the other one takes the lease over and publishes what is waiting."""
    async with scene.rig.replica("enrolment") as port, scene.load() as writes:
        await writes.acknowledge(SOME)
        scene.rig.hold("enrolment")
        scene.rig.route("enrolment", port)
        scene.require(await writes.acknowledge(SOME), "the other replica took no writes")
        scene.healed()
        await _published_without(scene)
        await scene.rig.release("enrolment")
        scene.rig.route("enrolment")
        await writes.acknowledge(SOME)


async def _published_without(scene: Scene) -> None:
    """Wait until what is committed by now is published, while the first replica is down."""
    rows = scene.rig.stores.mongo["enrolment"]["outbox"]
    waiting = [row["_id"] async for row in rows.find({"published": False}, {"_id": 1})]
    for _ in range(300):
        if not await rows.count_documents({"_id": {"$in": waiting}, "published": False}):
            return
        await asyncio.sleep(0.1)
    scene.require(False, "the other replica did not publish within 30 s")


@experiment("leader-paused")
async def leader_paused(scene: Scene) -> None:
    """The replica that publishes stands still until its lease is another's, and goes on with what it had in hand."""
    async with scene.rig.replica("enrolment") as port, scene.load() as writes:
        await writes.acknowledge(SOME)
        async with scene.rig.frozen("enrolment"):
            scene.rig.route("enrolment", port)
            await asyncio.sleep(AWAY_S)
            scene.require(await writes.acknowledge(SOME), "the other replica took no writes")
        scene.rig.route("enrolment")
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("clocks-differ")
async def clocks_differ(scene: Scene) -> None:
    """Two replicas whose clocks differ by 20 s take writes in turn, and each thinks that it publishes."""
    async with scene.rig.replica("enrolment", FAULTS_CLOCK_S=str(AHEAD_S)) as port, scene.load() as writes:
        for replica in (port, None, port, None):
            scene.rig.route("enrolment", replica)
            scene.require(await writes.acknowledge(SOME), "a replica took no writes")
        scene.healed()
