"""HEAD is answered where GET is, and a refused method is told all that a path has."""

from typing import Annotated

import httpx
import pytest
from cme_kit.app import RootPath
from cme_kit.auth import Public
from cme_kit.http import service_router
from cme_kit.methods import Heads
from cme_kit.problems import install_problem_handlers
from fastapi import FastAPI
from starlette.types import ASGIApp

Everybody = Annotated[None, Public()]


def app_of_letters(root: str = "") -> ASGIApp:
    router = service_router("letters", "/letters")

    @router.get("")
    async def listed(_: Everybody) -> list[str]:
        """All."""
        return ["a letter"]

    @router.post("")
    async def written(_: Everybody) -> str:
        """One more."""
        return "written"

    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router)
    app.add_middleware(Heads)
    return RootPath(app, root) if root else app


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://letters.test")


async def test_head_is_get_without_its_body() -> None:
    async with client(app_of_letters()) as letters:
        head, got = await letters.head("/letters"), await letters.get("/letters")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == got.headers
    assert got.json() == ["a letter"]


@pytest.mark.parametrize("root", ["", "/sandbox"])
async def test_a_refused_method_is_told_all_that_the_path_has(root: str) -> None:
    async with client(app_of_letters(root)) as letters:
        refused = [await letters.request(method, "/letters") for method in ("DELETE", "OPTIONS", "PATCH")]

    assert {answer.status_code for answer in refused} == {405}
    assert {answer.headers["allow"] for answer in refused} == {"GET, HEAD, POST"}
    assert {answer.json()["code"] for answer in refused} == {"method_not_allowed"}
