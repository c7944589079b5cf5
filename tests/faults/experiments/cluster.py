"""A broker of three servers that dies in part, as a whole, and that is divided."""

import asyncio
import time
from contextlib import suppress

from nats.errors import Error as NatsError

from ..rig import Broken
from ..scene import Scene, experiment
from ..workload import Workload

STREAM = "CME_ENROLMENT"
SOME = 20
#: Three servers and every other process share the cores of one machine.
PACE = 10.0
#: A new leader is elected after 4 to 9 s without the old one, which needs 10 s to notice that it is alone; services
#: leave a server that has known no leader for another 10 s.
GOES_ON_WITHIN_S = 45.0


async def _goes_on(scene: Scene, writes: Workload, what: str) -> None:
    """Require that some of what is written from now on reaches every subscriber while the fault lasts."""
    before = set(writes.told.acknowledged.values())
    scene.require(await writes.acknowledge(SOME), f"writes stood still with {what}")
    give_up = time.monotonic() + GOES_ON_WITHIN_S
    while time.monotonic() < give_up:
        since = set(writes.told.acknowledged.values()) - before
        applied = await scene.rig.stores.applied()
        if all(len(since & counts.keys()) >= SOME for counts in applied.values()):
            return
        await asyncio.sleep(0.2)
    scene.require(False, f"events stood still with {what}")


async def _leader(scene: Scene, other_than: str = "") -> str:
    """The server that leads the stream; one before may think that it does until it hears from the others. Raises Broken."""
    give_up = time.monotonic() + GOES_ON_WITHIN_S
    while time.monotonic() < give_up:
        with suppress(NatsError):
            if (leader := await scene.rig.stores.leader_of(STREAM)) != other_than:
                return leader
        await asyncio.sleep(0.2)
    raise Broken(f"no server but {other_than or 'none'} leads {STREAM}")


async def _without(scene: Scene, node: str, what: str) -> None:
    async with scene.load(PACE) as writes:
        await writes.acknowledge(SOME)
        scene.rig.hold(node)
        await _goes_on(scene, writes, what)
        await scene.rig.release(node)
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("cluster-leader-killed", stage="cluster")
async def leader_killed(scene: Scene) -> None:
    """The server that leads the stream is killed and stays away; another one leads, and events go on."""
    await _without(scene, await _leader(scene), "the stream's leader away")


@experiment("cluster-minority-killed", stage="cluster")
async def minority_killed(scene: Scene) -> None:
    """A server that only follows is killed and stays away; events go on."""
    leader = await _leader(scene)
    await _without(scene, scene.dice.choice([node for node in scene.rig.nodes if node != leader]), "a follower away")


@experiment("cluster-majority-lost", stage="cluster")
async def majority_lost(scene: Scene) -> None:
    """Two of three servers are away: writes go on into the outbox, and a service that starts now waits for them."""
    rows = scene.rig.stores.mongo["enrolment"]["outbox"]
    away = scene.dice.sample(scene.rig.nodes, 2)
    async with scene.load(PACE) as writes:
        await writes.acknowledge(SOME)
        for node in away:
            scene.rig.hold(node)
        scene.rig.kill("outreach")
        scene.require(await writes.acknowledge(3 * SOME), "writes stood still without a majority")
        waiting = await rows.count_documents({"published": False})
        scene.require(waiting >= SOME, f"only {waiting} events waited: the one server that was left took some")
        await scene.rig.release(*away)
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("cluster-restart-all", stage="cluster")
async def restart_all(scene: Scene) -> None:
    """All three servers are killed at once and start again."""
    async with scene.load(PACE) as writes:
        await writes.acknowledge(SOME)
        await scene.rig.kill_and_wait(*scene.rig.nodes)
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("cluster-rolling-restart", stage="cluster")
async def rolling_restart(scene: Scene) -> None:
    """One server after the other is stopped and started again, each when the one before is ready."""
    async with scene.load(PACE) as writes:
        for node in scene.rig.nodes:
            await writes.acknowledge(SOME)
            await scene.rig.restart(node)
        scene.healed()
        await writes.acknowledge(SOME)


async def _connect_to(scene: Scene, service: str, node: str) -> None:
    others = [scene.rig.links[service, other] for other in scene.rig.nodes if other != node]
    for link in others:
        link.refuse()
    await scene.rig.until(lambda: scene.rig.links[service, node].in_use, f"{service} connects to {node}")
    for link in others:
        link.heal()


@experiment("cluster-partitioned", stage="cluster")
async def partitioned(scene: Scene) -> None:
    """The server that leads the stream is cut off from the other two, and a publisher and a consumer are with it."""
    links, nodes = scene.rig.links, scene.rig.nodes
    leader = await _leader(scene)
    routes = [link for pair, link in links.items() if leader in pair and set(pair) <= set(nodes)]
    async with scene.load(PACE) as writes:
        for service in ("enrolment", "outreach"):
            await _connect_to(scene, service, leader)
        await writes.acknowledge(SOME)
        for link in routes:
            link.black_hole()
        scene.require(any(link.felt for link in routes), "no route felt the fault")
        await _goes_on(scene, writes, "the stream's leader cut off")
        for link in routes:
            link.heal()
        scene.healed()
        await _leader(scene, other_than=leader)
        await writes.acknowledge(SOME)
