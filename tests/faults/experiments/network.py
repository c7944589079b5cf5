"""Connections that break, stall or lie."""

import asyncio

from ..proxy import Proxy
from ..scene import Scene, experiment

SOME = 20


async def _while_hurt(scene: Scene, *links: Proxy, seconds: float) -> None:
    """Leave links hurt for a while, then heal them."""
    scene.require(any(link.felt for link in links), "no connection felt the fault")
    await asyncio.sleep(seconds)
    for link in links:
        link.heal()
    scene.healed()


@experiment("connections-cut")
async def connections_cut(scene: Scene) -> None:
    """Every connection to the database, the broker and the services is reset, five times in a row."""
    async with scene.load() as writes:
        for _ in range(5):
            await writes.acknowledge(SOME)
            for link in scene.rig.links.values():
                link.cut()
        scene.require(sum(link.felt for link in scene.rig.links.values()) > 20, "no connection felt the fault")
        scene.healed()
        await writes.acknowledge(SOME)


@experiment("database-black-hole")
async def database_black_hole(scene: Scene) -> None:
    """Between a service and the database nothing arrives for 12 s, and everything arrives late."""
    link = scene.rig.links["enrolment", "mongo"]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        link.black_hole()
        await _while_hurt(scene, link, seconds=12)
        scene.require(await writes.acknowledge(SOME), "no write was acknowledged after the database was back")


@experiment("database-replies-lost", rounds=3)
async def database_replies_lost(scene: Scene) -> None:
    """Commits reach the database and their replies do not come back; then the connections break."""
    link = scene.rig.links["enrolment", "mongo"]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        link.lose_replies()
        await asyncio.sleep(1)
        link.cut()
        await _while_hurt(scene, link, seconds=0)
        await writes.acknowledge(SOME)


@experiment("answers-lost", rounds=3)
async def answers_lost(scene: Scene) -> None:
    """A service's answers do not reach the gateway; then the connections break."""
    link = scene.rig.links["gateway", "enrolment"]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        link.lose_replies()
        await asyncio.sleep(1)
        link.cut()
        await _while_hurt(scene, link, seconds=0)
        await writes.acknowledge(SOME)


@experiment("broker-black-hole")
async def broker_black_hole(scene: Scene) -> None:
    """Between the broker and publisher and consumer nothing arrives for 12 s, and everything arrives late."""
    links = scene.rig.links["enrolment", "nats"], scene.rig.links["outreach", "nats"]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        for link in links:
            link.black_hole()
        await _while_hurt(scene, *links, seconds=12)


@experiment("broker-half-open")
async def broker_half_open(scene: Scene) -> None:
    """The broker has forgotten its connections and nobody tells the clients."""
    links = scene.rig.links["enrolment", "nats"], scene.rig.links["outreach", "nats"]
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        for link in links:
            link.half_open()
        await _while_hurt(scene, *links, seconds=15)


@experiment("slow-hops")
async def slow_hops(scene: Scene) -> None:
    """Every hop takes 100 ms longer, give or take 50 ms; nothing is tried more than three times."""
    async with scene.load() as writes:
        await writes.acknowledge(SOME)
        for link in scene.rig.links.values():
            link.delay(0.1, 0.05)
        before, attempts = len(writes.told.acknowledged), writes.told.attempts
        await _while_hurt(scene, *scene.rig.links.values(), seconds=12)
        answered = len(writes.told.acknowledged) - before
        scene.require(answered > 0, "nothing was answered on slow hops")
        tries = writes.told.attempts - attempts
        scene.require(tries <= 3 * max(answered, 1) + 8, f"{tries} requests for {answered} answers")
