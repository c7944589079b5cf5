"""An API below a path: requests come without it, what is answered leads back below it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from cme_kit.app import create_service_app
from cme_kit.auth import Public
from cme_kit.http import Paged, page_of, service_router
from cme_kit.pages import Pages
from cme_kit.schemas import Page, Schema
from cme_kit.settings import ServiceSettings
from fastapi import FastAPI, Request, Response
from pydantic import SecretStr

GATEWAY = "http://gateway.test"


class Thing(Schema):
    name: str


def client_of(public_url: str) -> httpx.AsyncClient:
    router = service_router("things", "/outreach/v1")

    @router.get("/things")
    async def things(request: Request, response: Response, paging: Paged, _: Annotated[None, Public()]) -> Page[Thing]:
        found = [Thing(name="a"), Thing(name="b")]
        return page_of(request, response, found, paging, lambda thing: thing.name)

    @router.get("/page")
    async def page(request: Request, _: Annotated[None, Public()]) -> Response:
        return Pages("cme_kit.pages").render(request, "layout.html")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    settings = ServiceSettings(
        public_url=public_url,
        jwks_url=f"{GATEWAY}/oauth/jwks",
        mongo_url=SecretStr("mongodb://db.test"),
        nats_url="nats://bus.test",
        nats_user="outreach",
        nats_password=SecretStr("secret"),
    )
    app = create_service_app("outreach", "Outreach", settings, [router], lifespan)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=GATEWAY)


@pytest.mark.parametrize("root", ["", "/sandbox"])
async def test_the_next_page_is_where_the_caller_asked_for_this_one(root: str) -> None:
    async with client_of(f"{GATEWAY}{root}") as client:
        answer = await client.get("/outreach/v1/things", params={"limit": "1"})

    assert answer.headers["link"] == f'<{root}/outreach/v1/things?limit=1&after=a>; rel="next"'


@pytest.mark.parametrize("root", ["", "/sandbox"])
async def test_pages_link_to_pages_of_the_same_api_and_say_when_it_is_the_sandbox(root: str) -> None:
    async with client_of(f"{GATEWAY}{root}") as client:
        text = (await client.get("/outreach/v1/page")).text

    assert f'href="{root}/courses"' in text
    assert f'href="{root}/verify"' in text
    assert 'href="/assets/cme.css"' in text
    assert ("everything here is test data" in text) is bool(root)


async def test_what_nobody_serves_is_a_problem_below_the_path_too() -> None:
    async with client_of(f"{GATEWAY}/sandbox") as client:
        answer = await client.get("/sandbox/outreach/v1/things")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
