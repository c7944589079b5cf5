"""Messages that come twice, and requests that do."""

import asyncio
import json
import random
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import aiohttp

from ..scene import Scene, experiment
from ..stores import SUBSCRIBED, event_id

STREAM = "CME_ENROLMENT"
#: By how much poison may hold up its neighbours.
DELAY_S = 1.0
POISON_SUBJECT = "cme.enrolment.organisation.registered.v1"


@experiment("every-message-three-times")
async def every_message_three_times(scene: Scene) -> None:
    """Each event comes twice more, under no id that the broker could recognise."""
    before = (await scene.rig.stores.jetstream.stream_info(STREAM)).state.last_seq
    async with scene.load() as writes:
        await writes.acknowledge(60)
    await scene.rig.quiet()
    again = [(subject, body) async for subject, body, _ in scene.rig.stores.messages(STREAM, after=before)]
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


def _poison(dice: random.Random) -> list[bytes]:
    """Not JSON, an unknown type, a newer version, 900 KB, a forged source, and an event without what it must say."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "source": "/enrolment",
        "type": "com.clustereducation.enrolment.organisation.registered.v1",
        "subject": "org_poison",
        "time": "2026-01-01T00:00:00Z",
        "dataschema": "https://schemas.example/x.json",
        "datacontenttype": "application/json",
        "sequence": 1,
        "data": {"organisation_id": "org_poison", "name": "Poison", "country": "LT", "kind": "partner"},
    }
    changed: tuple[dict[str, Any], ...] = (
        {"type": "com.clustereducation.enrolment.organisation.painted.v1"},
        {"type": "com.clustereducation.enrolment.organisation.registered.v2"},
        {"source": "/outreach"},
        {"data": {"organisation_id": "org_poison"}},
    )
    return [b"\xff not JSON", b"x" * 900_000, *(json.dumps(event | change).encode() for change in changed)]


@experiment("poison")
async def poison(scene: Scene) -> None:
    """Messages that no handler can read are put aside with a reason by every subscriber, and hold up nobody."""
    before = await _buried(scene)
    messages = _poison(scene.dice)
    async with scene.load() as usual:
        await usual.acknowledge(40)
    await scene.rig.quiet()
    async with scene.load() as writes:
        for body in messages:
            await writes.acknowledge(5)
            await scene.rig.stores.jetstream.publish(POISON_SUBJECT, body)
        await writes.acknowledge(10)
    scene.healed()
    await scene.rig.quiet()
    slowest, usually = [max(await scene.rig.stores.took(load.run)) for load in (writes, usual)]
    scene.row.figures["neighbours_delayed_s"] = round(max(0.0, slowest - usually), 3)
    scene.require(slowest - usually < DELAY_S, f"a neighbour took {slowest:.2f} s, usually at most {usually:.2f} s")
    await _alarmed(scene)
    buried = await _buried(scene)
    for service in SUBSCRIBED:
        new = buried[service] - before[service]
        scene.require(new == len(messages), f"{service} put {new} of {len(messages)} messages aside")


async def _alarmed(scene: Scene) -> None:
    """The gauge that the alarm DeadLetters watches is up at every subscriber."""
    for service in SUBSCRIBED:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{scene.rig.running.stack.urls[service]}/metrics") as answer,
        ):
            figures = (await answer.text()).splitlines()
        waiting = next((line for line in figures if line.startswith("cme_dead_letters ")), "cme_dead_letters 0.0")
        scene.require(float(waiting.split()[1]) > 0, f"{service} shows no dead letter to the alarm")


async def _buried(scene: Scene) -> dict[str, int]:
    stores = scene.rig.stores
    streams = {service: f"CME_{service.upper()}_DEAD_LETTERS" for service in SUBSCRIBED}
    return {service: (await stores.jetstream.stream_info(name)).state.messages for service, name in streams.items()}


@experiment("stream-full")
async def stream_full(scene: Scene) -> None:
    """The stream takes nothing more for a while: events wait in the outbox, and writes go on."""
    jetstream = scene.rig.stores.jetstream
    usual = (await jetstream.stream_info(STREAM)).config
    async with scene.load() as writes:
        await writes.acknowledge(20)
        full = (await jetstream.stream_info(STREAM)).state.bytes + 2000
        await jetstream.update_stream(replace(usual, max_bytes=full))
        scene.require(await writes.acknowledge(60), "writes stood still while the stream was full")
        waiting = await scene.rig.stores.mongo["enrolment"]["outbox"].count_documents({"published": False})
        scene.require(waiting > 0, "the full stream took everything")
        await jetstream.update_stream(usual)
        scene.healed()


@experiment("handler-refuses-then-redriven")
async def handler_refuses(scene: Scene) -> None:
    """A handler fails on an event until it is a dead letter; after the fix it is redriven and applied once."""
    rig, name = scene.rig, f"{scene.run} load 0 000003"
    await rig.restart_with("outreach", FAULTS_REFUSE=name)
    before = (await _buried(scene))["outreach"]
    async with scene.load(pace=10) as writes:
        await writes.acknowledge(10)
    for _ in range(1200):
        if (await _buried(scene))["outreach"] > before:
            break
        await asyncio.sleep(0.1)
    else:
        scene.require(False, "the event did not become a dead letter within 120 s")
    await rig.restart_with("outreach", FAULTS_REFUSE="")
    scene.healed()
    path = "/outreach/v1/operations/dead-letters"
    _, letters, _ = await rig.api.request("GET", path)
    wanted = writes.told.acknowledged[name]
    numbers = [letter["number"] for letter in letters["items"] if letter["aggregate"] == wanted]
    scene.require(len(numbers) == 1, f"{len(numbers)} dead letters for one event")
    for number in numbers:
        status, answer, _ = await rig.api.request("POST", f"{path}/{number}/redrive")
        scene.require(status == HTTPStatus.OK and answer["outcome"] == "applied", f"redriving answered {answer}")


@experiment("handler-slower-than-the-broker-waits")
async def slow_handler(scene: Scene) -> None:
    """A handler takes 40 s, longer than the broker waits for its acknowledgement: nobody applies it beside."""
    fired = await scene.rig.arm("outreach", "consumer.received=sleep:40@3")
    async with scene.load() as writes:
        await writes.acknowledge(20)
        await scene.rig.until(fired, "the handler is slow")
        scene.healed()


@experiment("stream-lost")
async def stream_lost(scene: Scene) -> None:
    """A stream is deleted with all its events: the outbox fills it again, and nobody applies anything twice."""
    stores = scene.rig.stores
    async with scene.load() as writes:
        await writes.acknowledge(30)
        await stores.jetstream.delete_stream(STREAM)
        await writes.acknowledge(20)
        await scene.rig.restart("enrolment")
        scene.healed()
    await scene.rig.quiet()
    held = {event_id(body) async for _, body, _ in stores.messages(STREAM)}
    prefix = {"$regex": r"^cme\.enrolment\."}
    stated = {
        row["_id"] async for row in stores.mongo["enrolment"]["outbox"].find({"nats_subject": prefix}, {"_id": 1})
    }
    scene.require(
        stated <= held, f"{len(stated - held)} of {len(stated)} events are not in the stream that was made again"
    )
