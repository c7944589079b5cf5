"""The service on real engines, and the people who use it."""

from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import httpx
import pytest
from cme_kit.testing import Bus, Engines, RunningService, Tokens, person_id, running
from curriculum.app import build
from curriculum.settings import Settings

BASE = "/curriculum/v1"


class Desk:
    """Somebody at work with the service; each method is one request, or one whole step of the story."""

    def __init__(self, service: RunningService, tokens: Tokens, bodies: dict[str, Any]) -> None:
        self.http = service.http
        self.app = service.app
        self.tokens = tokens
        self.bodies = bodies
        self.coordinator_id = person_id()
        self.coordinator = tokens.bearer(
            self.coordinator_id,
            "curriculum.profiles:write",
            "curriculum.programmes:write",
            "curriculum.reviews:write",
            "curriculum.offerings:write",
        )
        self.experts = [person_id() for _ in range(2)]
        self.reference_group = [person_id() for _ in range(2)]

    def reviewer(self, person: str) -> dict[str, str]:
        return self.tokens.bearer(person, "curriculum.reviews:comment")

    async def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.http.post(BASE + path, json=body, headers=self.coordinator if headers is None else headers)

    async def put(self, path: str, body: Any, revision: int | None, **extra: str) -> httpx.Response:
        headers = {**self.coordinator, **extra}
        if revision is not None:
            headers["If-Match"] = f'"{revision}"'
        return await self.http.put(BASE + path, json=body, headers=headers)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.http.get(BASE + path, headers=headers or {})

    async def done(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        answer = await self.post(path, body, headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def profile(self) -> str:
        return str((await self.done("/profiles", self.bodies["profile"]))["profile_id"])

    async def programme_body(self, **changes: Any) -> dict[str, Any]:
        body = deepcopy(self.bodies["programme"])
        return {**body, "profile_id": await self.profile(), **changes}

    async def draft(self, **changes: Any) -> dict[str, Any]:
        return await self.done("/programmes", await self.programme_body(**changes))

    @staticmethod
    def path(version: dict[str, Any]) -> str:
        return f"/programmes/{version['programme_id']}/versions/{version['version']}"

    async def review(self, version: dict[str, Any], quorum: int = 3) -> dict[str, Any]:
        body = {"experts": self.experts, "reference_group": self.reference_group, "quorum": quorum}
        return await self.done(f"{self.path(version)}/review", body)

    async def vote(self, review: dict[str, Any], person: str, vote: str = "approve") -> httpx.Response:
        body = {"vote": vote, "statement": "The outcomes can be assessed."}
        return await self.post(f"/reviews/{review['review_id']}/votes", body, self.reviewer(person))

    async def approved(self, version: dict[str, Any]) -> dict[str, Any]:
        review = await self.review(version)
        for person in (*self.experts, self.reference_group[0]):
            answer = await self.vote(review, person)
        assert answer.json()["state"] == "approved", answer.text
        return dict(answer.json())

    async def published(self, **changes: Any) -> dict[str, Any]:
        version = await self.draft(**changes)
        await self.approved(version)
        return await self.done(f"{self.path(version)}/publication", {})

    async def offering(self, version: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return await self.done("/offerings", self.offering_body(version, **changes))

    def offering_body(self, version: dict[str, Any], **changes: Any) -> dict[str, Any]:
        body = deepcopy(self.bodies["offering"])
        return {**body, "programme_id": version["programme_id"], "version": version["version"], **changes}

    async def feed(self, after: int = 0) -> list[tuple[int, str, str]]:
        changes = (await self.get(f"/catalogue/changes?after={after}")).json()["changes"]
        return [(change["sequence"], change["kind"], change["change"]) for change in changes]


@pytest.fixture
def driver() -> str:
    """Tests that lean on the database run on the other driver as well."""
    return "motor"


@pytest.fixture
async def desk(
    engines: Engines,
    bus: Bus,
    tokens: Tokens,
    driver: str,
    profile_body: dict[str, Any],
    programme_body: dict[str, Any],
    offering_body: dict[str, Any],
) -> AsyncIterator[Desk]:
    app = build(engines.settings(Settings, mongo_driver=driver))
    bodies = {"profile": profile_body, "programme": programme_body, "offering": offering_body}
    async with running(app, tokens) as service:
        yield Desk(service, tokens, bodies)
