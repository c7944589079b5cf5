"""`./cme backup`: a consistent cut of all databases of a running stack, with what a new directory needs besides."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson import json_util
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from cme_local.backup.archive import Entry, Manifest, entry_of, write_archive
from cme_local.environment import SANDBOX_PREFIX
from cme_local.errors import UserError
from cme_local.stack import Stack

#: The engine's own databases.
FOREIGN = {"admin", "config", "local"}
#: Without these nothing could be signed, decrypted or signed in to after a restore.
SECRETS = ("secrets.json", "sandbox.json", "keys")
COMPRESSION = 6
Client = AsyncMongoClient[dict[str, Any]]
Collections = dict[str, list[str]]


def run(data: Path, file: Path) -> int:
    """Back up the stack that runs on a data directory, while it works. Raises UserError."""
    began = time.monotonic()
    stack = Stack.of_running(data)
    if not file.parent.is_dir():
        raise UserError(f"{file.parent} is no folder.")
    with TemporaryDirectory(dir=file.parent, prefix=".cme-backup-") as name:
        folder = Path(name)
        try:
            made_at, entries = asyncio.run(_dump(stack.urls["mongo"], folder / "databases"))
        except PyMongoError as error:
            raise UserError(f"The database cannot be read: {type(error).__name__}: {str(error)[:200]}") from None
        entries |= _secrets(data, folder)
        write_archive(file, folder, Manifest(version("cme-local"), made_at, entries))
    count = sum(entry.documents or 0 for entry in entries.values())
    print(
        f"{count} documents in {file.stat().st_size / 1e6:.1f} MB, {time.monotonic() - began:.1f} s: {file}\n"
        "The file holds the keys and secrets of the platform: keep it as you keep those."
    )
    return 0


async def _dump(mongo_url: str, folder: Path) -> tuple[str, dict[str, Entry]]:
    """Every document of every service's database, as of one moment.

    One transaction that only reads: it spans databases and sees one snapshot. A snapshot session would be the shorter
    way; the embedded server accepts one and reads what is newest.
    """
    client: Client = AsyncMongoClient(mongo_url, tz_aware=True, timeoutMS=60_000)
    try:
        while True:
            collections = await _collections(client)
            async with (
                client.start_session() as session,
                await session.start_transaction(read_concern=ReadConcern("snapshot")),
            ):
                # Begins the transaction on the server: what is written from now on is not seen.
                await client["enrolment"]["probes"].find_one({}, session=session)
                made_at = datetime.now(UTC).isoformat()
                if await _collections(client) != collections:
                    continue  # a collection was made in between, and may be part of the moment
                return made_at, await _write_all(client, session, collections, folder)
    finally:
        await client.close()


async def _collections(client: Client) -> Collections:
    # The sandbox fills itself again.
    names = sorted(
        name
        for name in await client.list_database_names()
        if name not in FOREIGN and not name.startswith(SANDBOX_PREFIX)
    )
    return {name: sorted(await client[name].list_collection_names()) for name in names}


async def _write_all(
    client: Client, session: AsyncClientSession, collections: Collections, folder: Path
) -> dict[str, Entry]:
    entries = {}
    for database, names in collections.items():
        (folder / database).mkdir(parents=True)
        for name in names:
            path = folder / database / f"{name}.jsonl.gz"
            count = 0
            with gzip.open(path, "wt", COMPRESSION, encoding="utf-8") as lines:
                async for document in client[database][name].find({}, session=session):
                    lines.write(json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS) + "\n")
                    count += 1
            entries[f"databases/{database}/{name}.jsonl.gz"] = entry_of(path, count)
    return entries


def _secrets(data: Path, folder: Path) -> dict[str, Entry]:
    entries = {}
    for name in SECRETS:
        for path in sorted(one for one in (data / name, *(data / name).rglob("*")) if one.is_file()):
            target = folder / "secrets" / path.relative_to(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            entries[f"secrets/{path.relative_to(data).as_posix()}"] = entry_of(target)
    return entries
