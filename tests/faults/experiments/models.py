"""Read models that were lost or damaged, made again from the streams."""

import asyncio
from http import HTTPStatus
from typing import Any

from ..scene import Scene, experiment

SERVICE, MODEL = "credentials", "organisations"
MODELS = f"/{SERVICE}/v1/operations/models"
WITHIN_S = 180.0
MOMENTS = ("rebuild.replayed=kill@1", "rebuild.replayed=kill@2", "rebuild.compared=kill@1")


@experiment("model-rebuilt", stage="models", rounds=2)
async def model_rebuilt(scene: Scene) -> None:
    """A read model is damaged and made again under load, its service killed meanwhile: it says what the events say."""
    rig = scene.rig
    fired = await rig.arm(SERVICE, scene.dice.choice(MOMENTS))
    rows = rig.stores.mongo[SERVICE][MODEL]
    async with scene.load(pace=10) as writes:
        await writes.acknowledge(80)
        ids = sorted([row["_id"] async for row in rows.find({}, {"_id": 1})])
        await rows.delete_many({"_id": {"$in": ids[::2]}})
        await rows.update_many({"_id": {"$in": ids[1::4]}}, {"$set": {"name": "wrong"}})
        await rows.insert_one({"_id": f"org_{scene.run}", "name": "stated by nobody"})
        status, answer, _ = await rig.api.request("POST", f"{MODELS}/{MODEL}/rebuild")
        scene.require(status == HTTPStatus.ACCEPTED, f"the rebuild was answered {status}: {answer}")
        await rig.until(fired, "the rebuild kills its service", WITHIN_S)
        await rig.ready(SERVICE)
        rebuild = await _ended(scene)
        scene.require(rebuild.get("state") == "done", f"the rebuild ended as {rebuild}")
        scene.healed()
        await writes.acknowledge(20)
    await rig.quiet()
    stated = {record_id: name for name, record_id in await rig.stores.organisations()}
    kept = {row["_id"]: row["name"] async for row in rows.find({})}
    differing = {key for key in stated.keys() | kept.keys() if stated.get(key) != kept.get(key)}
    scene.require(not differing, f"{len(differing)} of {len(stated)} documents differ from what was stated")
    left = [name for name in await rig.stores.mongo[SERVICE].list_collection_names() if name.startswith(f"{MODEL}_")]
    scene.require(not left, f"rebuilds left {left}")


async def _ended(scene: Scene) -> dict[str, Any]:
    """The rebuild once it is over, or as far as it came."""
    rebuild: dict[str, Any] = {}
    for _ in range(int(WITHIN_S / 0.3)):
        status, models, _ = await scene.rig.api.request("GET", MODELS)
        if status == HTTPStatus.OK:
            rebuild = next(model["rebuild"] for model in models if model["name"] == MODEL)
            if rebuild["state"] != "building":
                break
        await asyncio.sleep(0.3)
    return rebuild
