"""Who answers a request to the sandbox, and when."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from cme_kit.auth import Unauthenticated
from cme_local.pilot.client import Client
from cme_local.sandbox_api.acting import Stage
from cme_local.sandbox_api.app import Door, Services, running
from fastapi import FastAPI
from gateway.edge.routes import Routes
from starlette.responses import PlainTextResponse

ISSUER = "http://gateway.test"
SANDBOX = f"{ISSUER}/sandbox"
NAMES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")


def app_of(name: str) -> FastAPI:
    app = FastAPI()

    @app.get("/{path:path}")
    async def answer(path: str) -> PlainTextResponse:
        return PlainTextResponse(name)

    return app


def door(hold_seconds: float = 5.0) -> Door:
    return Door(Services({name: app_of(name) for name in NAMES}, Routes.load()), time.monotonic(), hold_seconds)


async def get(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER) as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/enrolment/v1/calls", "enrolment"),
        ("/courses", "curriculum"),
        ("/assessment/v1/plans", "assessment"),
        ("/badges/urn:uuid:1", "credentials"),
        ("/verify", "credentials"),
        ("/did.json", "credentials"),
        ("/outreach/interest/x", "outreach"),
    ],
)
async def test_each_path_is_answered_by_the_service_that_has_it(path: str, service: str) -> None:
    opened = door()
    opened.open.set()

    assert (await get(opened, path)).text == service


@pytest.mark.parametrize("path", ["/", "/oauth/token", "/metrics", "/gateway/v1/clients"])
async def test_what_no_service_has_is_not_found(path: str) -> None:
    opened = door()
    opened.open.set()

    answer = await get(opened, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_request_waits_for_the_filling() -> None:
    closed = door()
    asked = asyncio.create_task(get(closed, "/courses"))
    await asyncio.sleep(0)
    assert not asked.done()

    closed.open.set()

    assert (await asked).text == "curriculum"


async def test_a_request_that_waited_long_enough_is_told_to_come_again() -> None:
    answer = await get(door(hold_seconds=0.01), "/courses")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert json.loads(answer.text)["code"] == "sandbox_filling"


async def test_what_waited_for_the_process_to_start_is_not_kept_as_long_again() -> None:
    services = Services({"curriculum": app_of("curriculum")}, Routes.load())
    long_starting = Door(services, began=time.monotonic() - 60)

    answer = await get(long_starting, "/courses")

    assert answer.status_code == 503
    assert long_starting._patience() == 0.0


async def test_nobody_calls_it_quiet_while_it_fills_or_while_somebody_is_inside() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()
    slow = FastAPI()

    @slow.get("/courses")
    async def courses() -> str:
        inside.set()
        await leave.wait()
        return "there"

    busy = Door(Services({"curriculum": slow}, Routes.load()), time.monotonic())
    assert busy.quiet_seconds() == 0.0
    busy.open.set()
    asked = asyncio.create_task(get(busy, "/courses"))
    await inside.wait()
    assert busy.quiet_seconds() == 0.0

    leave.set()
    await asked

    assert busy.quiet_seconds() > 0.0


async def test_whoever_starts_late_is_waited_for_and_all_are_stopped() -> None:
    seen: list[str] = []

    def recording(name: str) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            await asyncio.sleep(0.01 if name == "enrolment" else 0)
            seen.append(f"{name} up")
            yield
            seen.append(f"{name} down")

        return FastAPI(lifespan=lifespan)

    async with running({name: recording(name) for name in NAMES}):
        assert sorted(seen) == sorted(f"{name} up" for name in NAMES)

    assert sorted(seen[len(NAMES) :]) == sorted(f"{name} down" for name in NAMES)


async def test_one_that_cannot_start_ends_the_others() -> None:
    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no key")
        yield

    with pytest.raises(ExceptionGroup) as failure:
        async with running({"enrolment": FastAPI(), "credentials": FastAPI(lifespan=broken)}):
            pytest.fail("it came up")

    assert failure.group_contains(RuntimeError, match="no key")


async def test_the_people_who_fill_it_are_known_to_their_stage_and_to_no_other() -> None:
    async with httpx.AsyncClient() as pool:
        first, second = (Stage(Client(pool), ISSUER, SANDBOX) for _ in range(2))
        coordinator = first.act_as("coordinator", "coordinator")
        token = first.sign(coordinator.subject, "coordinator", None)

        principal = await first.verifier().verify(token)

        assert principal.subject == second.act_as("coordinator", "applicant").subject
        assert principal.is_person
        assert principal.may("enrolment.calls:write")
        with pytest.raises(Unauthenticated):
            await second.verifier().verify(token)
