"""A small complete year, played through the sandbox's own API inside its process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from cme_local.pilot import awarding, cast, curriculum, learning, outreach, selection
from cme_local.pilot.client import Client, eventually
from cme_local.pilot.year import Year
from cme_local.sandbox_api.acting import Stage
from cme_local.sandbox_api.facts import Upcoming, read_sandbox_facts


async def play(client: Client, stage: Stage, public_url: str, mail_url: str | None) -> None:
    """Play the facts of the sandbox. Raises PilotFailed, or a group of it."""
    facts = read_sandbox_facts()
    year = Year(
        api=public_url,
        urls={"mail": mail_url} if mail_url else {},
        facts=facts.year,
        client=client,
        casting=stage,
        progress=_Silent(),
        trace_id=secrets.token_hex(16),
        coordinator=stage.act_as("coordinator", "coordinator"),
        officer=stage.act_as("officer", "officer"),
        operator=stage.act_as("operator", "operator"),
    )

    async def teaching() -> None:
        await curriculum.publish(year)
        await _announce(year, facts.upcoming)
        await selection.select(year)
        await learning.agree(year)
        await learning.teach(year)
        await awarding.award(year)

    async def reaching_out() -> None:
        await outreach.reach_out(year)
        if mail_url:  # nobody is written to where nobody catches it
            await outreach.campaign(year)

    await cast.assemble(year)
    async with asyncio.TaskGroup() as tracks:
        tracks.create_task(teaching())
        tracks.create_task(reaching_out())


async def _announce(year: Year, upcoming: Upcoming) -> None:
    """The next run of the programme, and its call."""
    taught = {"programme_id": year.published.programme_id, "version": year.published.version}
    offering = upcoming.offering.model_dump(mode="json") | taught | {"language": "en", "sessions": []}
    await year.coordinator.post("/curriculum/v1/offerings", offering, "offering:upcoming")
    call = upcoming.call.model_dump() | {
        "programme_id": year.published.programme_id,
        "programme_version": year.published.version,
        "starts_on": upcoming.offering.starts_on.isoformat(),
    }
    await eventually(
        lambda: year.coordinator.post("/enrolment/v1/calls", call, "call:upcoming"), "programme_not_published"
    )


class _Silent:
    """Nobody watches a filling."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins."""

    def step(self, count: int = 1) -> None:
        """Steps of a stage are done."""

    def over(self) -> None:
        """A stage is over."""


class _WithoutRoot:
    """Strips the path below which the API is reached, as the gateway does."""

    def __init__(self, api: ASGIApp, root: str) -> None:
        self._api = api
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope["raw_path"]
        path = scope["path"].removeprefix(self._root)
        await self._api({**scope, "path": path, "raw_path": raw.removeprefix(self._root.encode())}, receive, send)


@asynccontextmanager
async def in_process(api: ASGIApp, public_url: str, mail_url: str | None) -> AsyncIterator[Client]:
    """A client of the API without a socket; mails are read where they are caught."""
    inside = httpx.ASGITransport(_WithoutRoot(api, urlsplit(public_url).path), raise_app_exceptions=False)
    mounts: dict[str, httpx.AsyncBaseTransport] = {}
    if mail_url:
        mail = urlsplit(mail_url)
        mounts[f"{mail.scheme}://{mail.netloc}"] = httpx.AsyncHTTPTransport()
    async with httpx.AsyncClient(
        base_url=public_url, timeout=20, trust_env=False, transport=inside, mounts=mounts
    ) as pool:
        yield Client(pool)
