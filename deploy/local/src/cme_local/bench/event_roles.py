"""The processes of `cme bench events`: who commits events at a steady rate, who applies them, who has a backlog.

`python -m cme_local.bench.event_roles ROLE ARGUMENTS` (JSON); results are lines of JSON on standard output.
"""

# ruff: noqa: ASYNC110 -- what is waited for happens in engines and other processes

import asyncio
import json
import sys
import time
from contextvars import ContextVar
from typing import Any

from cme_contracts.enrolment import OrganisationRegistered
from cme_kit.consumers import on
from cme_kit.mongo import Index
from cme_kit.outbox import OUTBOX, Outbox, Transaction
from cme_kit.platform import Platform, open_platform
from cme_kit.settings import ServiceSettings
from cme_kit.streams import stream_name

from cme_local.bench.event_bus import registered

WRITER, APPLIER = "enrolment", "outreach"
#: Events of a backlog in one transaction; each aggregate has several, so that order costs what it costs.
PREPARED, OF_ONE = 200, 4
POLL_S = 0.05
Result = Any


def say(**fields: Any) -> None:
    """A line for the process that started this one."""
    print(json.dumps(fields), flush=True)


def settings(arguments: dict[str, Any]) -> ServiceSettings:
    """The settings of a service on the engines of this run."""
    return ServiceSettings.model_validate(arguments["settings"])


async def write(arguments: dict[str, Any]) -> None:
    """Commit an event at every tick whether or not the last commit is back; say when each was committed."""
    commits: dict[str, float] = {}
    async with open_platform(WRITER, settings(arguments), []) as platform:
        await platform.start([])
        say(ready=True)
        period, count = 1 / arguments["rate"], int(arguments["rate"] * arguments["seconds"])
        began = time.monotonic()
        committing = []
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number * period - time.monotonic()))
            committing.append(asyncio.create_task(_commit(platform, f"{arguments['prefix']}{number}", commits)))
        await asyncio.gather(*committing)
        rows = platform.database.collection(OUTBOX)
        while await rows.count({"published": False}):
            await asyncio.sleep(POLL_S)
    say(commits=commits)


async def _commit(platform: Platform, organisation_id: str, commits: dict[str, float]) -> None:
    async def work(tx: Transaction) -> None:
        event = registered(organisation_id)
        await platform.database.collection("organisations").insert({"_id": organisation_id}, session=tx.session)
        await tx.emit(organisation_id, event)

    await platform.outbox.transaction(work)
    commits[organisation_id] = time.time()


class WatchedOutbox(Outbox):
    """Notes when the transaction that applied an event had committed."""

    applying: ContextVar[list[str]] = ContextVar("applying")

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform.database, platform.clock)
        self.effects: dict[str, float] = {}

    async def transaction(self, work: Any) -> Result:
        """As always, and then look at the clock."""
        inside: list[str] = []
        token = self.applying.set(inside)
        try:
            result = await super().transaction(work)
        finally:
            self.applying.reset(token)
        now = time.time()
        self.effects.update(dict.fromkeys(inside, now))
        return result


async def apply(arguments: dict[str, Any]) -> None:
    """Apply events until standard input ends, or as many as were asked for; say when each had taken effect."""
    async with open_platform(APPLIER, settings(arguments), [Index("effects", ("name",))]) as platform:
        outbox = WatchedOutbox(platform)
        platform.outbox = outbox
        effects = platform.database.collection("effects")

        async def handle(tx: Transaction, event: OrganisationRegistered) -> None:
            await effects.insert({"_id": event.organisation_id, "name": event.name}, session=tx.session)
            WatchedOutbox.applying.get().append(event.organisation_id)

        await platform.start([on(OrganisationRegistered, handle)])
        assert platform.consumers is not None
        while not platform.consumers.attached:
            await asyncio.sleep(POLL_S)
        say(ready=True)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        while not ended.done() and len(outbox.effects) < arguments.get("count", sys.maxsize):
            await asyncio.sleep(POLL_S)
    say(effects=outbox.effects)


async def drain(arguments: dict[str, Any]) -> None:
    """Commit a backlog while nothing publishes, then let the relay loose on it."""
    wanted = arguments["rows"]
    async with open_platform(WRITER, settings(arguments), []) as platform:
        rows = platform.database.collection(OUTBOX)
        for first in range(0, wanted, PREPARED):

            async def work(tx: Transaction, first: int = first) -> None:
                for number in range(first, first + PREPARED):
                    organisation_id = f"{arguments['prefix']}{number // OF_ONE}"
                    await tx.emit(organisation_id, registered(organisation_id))

            await platform.outbox.transaction(work)
        pending = await rows.count({"published": False})
        began = time.monotonic()
        await platform.start([])
        stored = arguments["before"] + pending
        while (await platform.jetstream.stream_info(stream_name(WRITER))).state.messages < stored:
            await asyncio.sleep(POLL_S)
        while await rows.count({"published": False}):
            await asyncio.sleep(POLL_S)
        say(rows=pending, seconds=time.monotonic() - began)


if __name__ == "__main__":
    role = {"write": write, "apply": apply, "drain": drain}[sys.argv[1]]
    asyncio.run(role(json.loads(sys.argv[2])))
