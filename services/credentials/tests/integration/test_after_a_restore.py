"""What a backup does not know of is not given out a second time."""

from pathlib import Path
from typing import Any

from cme_kit.testing import Bus, Engines, Tokens, running
from credentials.app import build
from credentials.settings import Settings
from pymongo import MongoClient

RESTORED_AT_MS = 1_790_000_000_000


async def test_no_place_of_a_status_list_is_given_again_after_a_restore(
    engines: Engines, tokens: Tokens, key_file: Path, world_on: Any, bus: Bus
) -> None:
    settings = engines.settings(Settings, signing_key_file=key_file)
    with MongoClient[dict[str, Any]](engines.mongo_url, tz_aware=True) as client:
        database = client["credentials"]

        def places() -> dict[str, tuple[int, int]]:
            return {row["_id"]: (row["status_list"], row["status_index"]) for row in database["credentials"].find()}

        async with running(build(settings), tokens) as service:
            world = world_on(service)
            await world.open()
            kept = await world.award()
            backup = {name: list(database[name].find()) for name in database.list_collection_names()}
            await world.award()
            lost = places()

        client.drop_database("credentials")
        for stream in await bus.jetstream.streams_info():
            await bus.jetstream.delete_stream(stream.config.name or "")
        for name, rows in backup.items():
            if rows:
                database[name].insert_many(rows)
        database["restorations"].insert_one({"_id": "first", "first_list": RESTORED_AT_MS})

        async with running(build(settings), tokens) as service:
            restored = world_on(service)
            restored.programme, restored.organisation_id = world.programme, world.organisation_id
            award = await restored.award()
            verification = await restored.verify(await restored.signed(award))
            old_list = await service.http.get("/credentials/v1/status/1")
            new_list = await service.http.get(f"/credentials/v1/status/{RESTORED_AT_MS}")
            given = places()

    assert given[award["credential_id"]][0] == RESTORED_AT_MS
    assert not {place for one, place in given.items() if one != kept["credential_id"]} & set(lost.values())
    assert verification["verified"], verification
    assert old_list.status_code == new_list.status_code == 200


async def test_a_second_restore_of_the_same_backup_begins_another_list(
    engines: Engines, tokens: Tokens, key_file: Path, world_on: Any
) -> None:
    settings = engines.settings(Settings, signing_key_file=key_file)
    numbers = []
    for restored_at in (RESTORED_AT_MS, RESTORED_AT_MS + 60_000):
        with MongoClient[dict[str, Any]](engines.mongo_url) as client:
            client["credentials"]["restorations"].insert_one({"_id": str(restored_at), "first_list": restored_at})
        async with running(build(settings), tokens) as service:
            world = world_on(service)
            await world.open()
            signed = await world.signed(await world.award())
            numbers.append(int(signed["credentialStatus"]["statusListCredential"].rpartition("/")[2]))

    assert numbers == [RESTORED_AT_MS, RESTORED_AT_MS + 60_000]
