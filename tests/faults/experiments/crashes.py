"""Processes of ours that die at the worst moment."""

from ..scene import Scene, experiment

BEFORE, AFTER = 20, 20


async def _killed_at(scene: Scene, service: str, failpoint: str) -> None:
    fired = await scene.rig.arm(service, f"{failpoint}=kill@{scene.dice.randint(5, 15)}")
    async with scene.load() as writes:
        await writes.acknowledge(BEFORE)
        await scene.rig.until(fired, f"{failpoint} kills {service}")
        await scene.rig.ready(service)
        scene.healed()
        await writes.acknowledge(AFTER)


@experiment("killed-before-publish", rounds=2)
async def killed_before_publish(scene: Scene) -> None:
    """A service is killed between the commit and the publishing of its event."""
    await _killed_at(scene, "enrolment", "outbox.committed")


@experiment("killed-after-puback", rounds=2)
async def killed_after_puback(scene: Scene) -> None:
    """The relay is killed between the broker's acknowledgement and marking the row."""
    await _killed_at(scene, "enrolment", "relay.acknowledged")


@experiment("consumer-killed-before-commit")
async def consumer_killed_before_commit(scene: Scene) -> None:
    """A consumer is killed when it has received a message and not begun to apply it."""
    await _killed_at(scene, "outreach", "consumer.received")


@experiment("consumer-killed-before-ack")
async def consumer_killed_before_ack(scene: Scene) -> None:
    """A consumer is killed between the commit of an effect and its acknowledgement."""
    await _killed_at(scene, "outreach", "consumer.committed")


@experiment("gateway-killed", rounds=3)
async def gateway_killed(scene: Scene) -> None:
    """The gateway is killed with requests under way; clients repeat them under their Idempotency-Keys."""
    async with scene.load() as writes:
        await writes.acknowledge(BEFORE)
        await scene.rig.kill_and_wait("gateway")
        scene.healed()
        await writes.acknowledge(AFTER)


@experiment("publisher-killed")
async def publisher_killed(scene: Scene) -> None:
    """The service that acknowledges the writes is killed under load, three times in a row."""
    async with scene.load() as writes:
        for _ in range(3):
            await writes.acknowledge(BEFORE)
            await scene.rig.kill_and_wait("enrolment")
        scene.healed()
        await writes.acknowledge(AFTER)


@experiment("service-down")
async def service_down(scene: Scene) -> None:
    """A subscriber is down for 15 s; the others serve on, and it catches up."""
    async with scene.load() as writes:
        await writes.acknowledge(BEFORE)
        scene.rig.hold("outreach")
        scene.require(await writes.acknowledge(400), "writes stood still while a subscriber was down")
        await scene.rig.release("outreach")
        scene.healed()


@experiment("everything-killed", rounds=3)
async def everything_killed(scene: Scene) -> None:
    """Every process of the stack, engines included, is killed at once."""
    async with scene.load() as writes:
        await writes.acknowledge(BEFORE)
        await scene.rig.kill_and_wait(*(name for name in scene.rig.names if name != "operations"))
        scene.healed()
        await writes.acknowledge(AFTER)
