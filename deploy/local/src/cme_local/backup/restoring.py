"""`./cme restore`: a new data directory from a backup, with the embedded database started only to import.

Streams are not in a backup: every event of the outboxes becomes unpublished, and the services publish them again into
empty streams. The inboxes are of the same moment, so nothing is applied twice.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from bson import json_util
from cme_kit.streams import event_streams
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from cme_local import engines, environment
from cme_local.backup.archive import OWNER_ONLY, Manifest, unpack
from cme_local.child import tail
from cme_local.errors import StackError, UserError
from cme_local.preflight import DataDirectory, check_disk, free_bases
from cme_local.processes import SERVICES, Ports

BATCH = 500
STARTS_WITHIN_S = 60.0
BASES = range(40_000, 60_000, 20)
READING = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True)
Client = MongoClient[dict[str, Any]]


def run(file: Path, data: Path) -> int:
    """Make a data directory from a backup. Raises UserError, or StackError when the database does not start.

    Nothing is left of a restore that did not come to its end.
    """
    began = time.monotonic()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise UserError(f"{data} is not empty. Restore into a new directory.")
    data.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=data.parent, prefix=".cme-restore-") as name:
        unpacked, made = Path(name) / "unpacked", Path(name) / "data"
        unpacked.mkdir()
        manifest = unpack(file, unpacked, version("cme-local"))
        with DataDirectory(made):
            check_disk(made)
            _place_secrets(unpacked / "secrets", made)
            with _database(made) as client:
                count = _import(client, unpacked, manifest)
                _after_import(client, manifest)
        made.replace(data)
    print(
        f"{count} documents of {manifest.made_at} in {time.monotonic() - began:.1f} s: {data}\n"
        f"Start it by ./cme up --data {data}, at the port base of before: addresses of badges name it."
    )
    return 0


def _place_secrets(source: Path, data: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = data / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(path, target)
            target.chmod(OWNER_ONLY)


@contextmanager
def _database(data: Path) -> Iterator[Client]:
    """The embedded server on the directory, until the end of the block."""
    ports = Ports(next(free_bases(BASES)))
    log = data / "logs" / "mongo.log"
    log.parent.mkdir()
    with log.open("wb") as output:
        server = subprocess.Popen(
            engines.mongo_command(data, ports), env=environment.inherited(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            with Client(engines.mongo_url(ports), tz_aware=True, serverSelectionTimeoutMS=500) as client:
                _await(client, server, log)
                yield client
        finally:
            server.terminate()
            server.wait()


def _await(client: Client, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            client.admin.command("ping")
        except PyMongoError:
            if server.poll() is not None or time.monotonic() > give_up:
                raise StackError("The database did not start.", tail(log)) from None
            time.sleep(0.1)
        else:
            return


def _import(client: Client, unpacked: Path, manifest: Manifest) -> int:
    total = 0
    for name, entry in manifest.entries.items():
        if entry.documents is None:
            continue
        _, database, file = name.split("/")
        collection = client[database][file.removesuffix(".jsonl.gz")]
        with gzip.open(unpacked / name, "rt", encoding="utf-8") as lines:
            while batch := [json_util.loads(line, json_options=READING) for line in islice(lines, BATCH)]:
                collection.insert_many(batch)
        total += entry.documents
    return total


def _after_import(client: Client, manifest: Manifest) -> None:
    """What must not be as it was at the moment of the backup, because time went on after it."""
    now = datetime.now(UTC)
    for service in SERVICES:
        _unpublish(client[service]["outbox"], service, now)
    # A mail that was waiting then may have gone out since: only a person can tell.
    sending = [row["_id"] for row in client["outreach"]["campaigns"].find({"state": "sending"}, {"_id": 1})]
    waiting = {"campaign_id": {"$in": sending}, "state": {"$in": ["queued", "sending"]}}
    doubt = {"state": "in_doubt", "reply": "restored from a backup", "finished_at": now}
    client["outreach"]["sends"].update_many(waiting, {"$set": doubt})
    # Places of status lists that were given after the backup are not known here. The lists of before get no new
    # entries; the next has a number that no list can have which was begun since.
    client["credentials"]["restorations"].insert_one(
        {
            "_id": str(uuid4()),
            "made_at": datetime.fromisoformat(manifest.made_at),
            "restored_at": now,
            "first_list": time.time_ns() // 1_000_000,
        }
    )


def _unpublish(outbox: Collection[dict[str, Any]], service: str, now: datetime) -> None:
    """Let a service publish again what its streams would still hold; what an erasure emptied stays out of them."""
    for stream in event_streams(service, replicas=1):
        prefix = (stream.subjects or [""])[0].removesuffix(">").replace(".", r"\.")
        youngest = now - timedelta(seconds=stream.max_age or 0)
        held = {"nats_subject": {"$regex": f"^{prefix}"}, "body": {"$ne": ""}, "created": {"$gt": youngest}}
        outbox.update_many(held, {"$set": {"published": False}})
