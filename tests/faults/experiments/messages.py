"""Messages that come twice, and requests that do."""

import asyncio
from http import HTTPStatus

from ..scene import Scene, experiment

STREAM = "CME_ENROLMENT"


@experiment("every-message-three-times")
async def every_message_three_times(scene: Scene) -> None:
    """Each event comes twice more, under no id that the broker could recognise."""
    async with scene.load() as writes:
        await writes.acknowledge(60)
    await scene.rig.quiet()
    again = [(subject, body) async for subject, body, _ in scene.rig.stores.messages(STREAM)]
    for subject, body in [*again, *again]:
        await scene.rig.stores.jetstream.publish(subject, body)
    scene.healed()


@experiment("same-key-at-once")
async def same_key_at_once(scene: Scene) -> None:
    """Fifty requests at once under one Idempotency-Key create one record; another body under it is refused."""
    name = f"{scene.run} load 0 000001"
    body = {"name": name, "country": "LT", "kind": "partner", "website": None}
    path, key = "/enrolment/v1/organisations", {"Idempotency-Key": name.replace(" ", "-")}
    async with scene.load(pace=5) as writes:
        await writes.acknowledge(1)
        wanted = [scene.rig.api.request("POST", path, json=body, headers=key) for _ in range(50)]
        answers = await asyncio.gather(*wanted)
        status, other, _ = await scene.rig.api.request("POST", path, json=body | {"country": "FI"}, headers=key)
    told = {answer["organisation_id"] for code, answer, _ in answers if code == HTTPStatus.CREATED}
    scene.require(told == {writes.told.acknowledged[name]}, f"one key gave {len(told)} records")
    codes = {code for code, _, _ in answers}
    scene.require(codes <= {HTTPStatus.CREATED, HTTPStatus.CONFLICT}, f"answers were {codes}")
    scene.require(status == HTTPStatus.UNPROCESSABLE_ENTITY, f"another body was answered {status}: {other}")
