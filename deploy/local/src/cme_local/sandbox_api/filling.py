"""Whether the sandbox was filled, and filling it once."""

# ruff: noqa: PLC0415 -- playing a year needs an HTTP client and all the facts, which every later start does without

from __future__ import annotations

from collections.abc import Sequence

from cme_kit.clock import SystemClock
from cme_kit.mongo import Database
from fastapi import FastAPI
from starlette.types import ASGIApp

#: Where it is remembered, beside the databases of the services and with their prefix.
DATABASE, FILLINGS = "filling", "fillings"
#: Another content is filled only into a sandbox that was emptied.
CONTENT = "year-1"


class Filling:
    """Whether it was done, and doing it."""

    def __init__(self, database: Database, public_url: str, issuer: str, mail_url: str | None) -> None:
        """`mail_url` is the mail catcher's, where the contacts' answers are read from the campaign's mails."""
        self._fillings = database.collection(FILLINGS)
        self._public_url = public_url
        self._issuer = issuer
        self._mail_url = mail_url

    async def is_done(self) -> bool:
        """Whether this sandbox has its data."""
        return await self._fillings.find_one({"_id": CONTENT}) is not None

    async def fill(self, api: ASGIApp, apps: Sequence[FastAPI]) -> None:
        """Play the year. What an earlier try had done is done again without an effect: each act has its idempotency key.

        Until it is over the services know only the people who act here. Raises PilotFailed, or a group of it.
        """
        from cme_local.sandbox_api.acting import Stage
        from cme_local.sandbox_api.playing import in_process, play

        usual = [app.state.verifier for app in apps]
        async with in_process(api, self._public_url, self._mail_url) as client:
            stage = Stage(client, self._issuer, self._public_url)
            for app in apps:
                app.state.verifier = stage.verifier()
            try:
                await play(client, stage, self._public_url, self._mail_url)
            finally:
                for app, verifier in zip(apps, usual, strict=True):
                    app.state.verifier = verifier
        await self._fillings.insert({"_id": CONTENT, "at": SystemClock().now()})
