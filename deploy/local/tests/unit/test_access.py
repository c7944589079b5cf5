"""Who sees the operator's pages: a code works once, a session ends, tools send the token."""

import pytest
from cme_local.ops.access import CODE_SECONDS, COOKIE, SESSION_SECONDS, Access

from .operators import SIGNED_IN, operator


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("path", ["/traces", "/traces/ab", "/way"])
async def test_a_stranger_is_told_how_to_sign_in(path: str) -> None:
    answer = await operator(headers={}).get(path)

    assert answer.status_code == 401
    assert "./cme login" in answer.text


@pytest.mark.parametrize("path", ["/api/traces", "/api/spans/count", "/traces/ab.json"])
async def test_a_tool_without_the_token_gets_a_problem(path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Bearer ä"}):
        answer = await operator(headers={k: v.encode() for k, v in headers.items()}).get(path)  # type: ignore[arg-type]

        assert answer.status_code == 401
        assert answer.json()["code"] == "sign_in_needed"


@pytest.mark.parametrize("path", ["/health/live", "/mail", "/api/messages", "/assets/cme.css"])
async def test_what_gives_no_power_is_open(path: str) -> None:
    assert (await operator(headers={}).get(path)).status_code == 200


async def test_a_code_signs_in_once_and_leaves_the_address() -> None:
    http = operator(headers={})
    code = (await http.post("/login/codes", headers=SIGNED_IN)).json()["code"]

    first = await http.get("/login", params={"code": code})
    inside = await http.get("/traces")
    again = await operator(headers={}).get("/login", params={"code": code})

    assert (first.status_code, first.headers["location"]) == (303, "/traces")
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in first.headers["set-cookie"].split(";")}
    assert code not in first.headers["set-cookie"]
    assert inside.status_code == 200
    assert again.status_code == 401
    assert "used before" in again.text


async def test_only_the_token_gets_a_code() -> None:
    assert (await operator(headers={}).post("/login/codes")).status_code == 401
    http = operator(headers={"Cookie": f"{COOKIE}=guessed"})
    assert (await http.get("/traces")).status_code == 401


def test_codes_and_sessions_end() -> None:
    clock = Clock()
    access = Access("token", clock)
    late, used = access.new_code(), access.new_code()
    session = access.exchange(used)
    assert session is not None

    clock.now = CODE_SECONDS
    assert access.exchange(late) is None
    assert access.has_session(session)
    clock.now = SESSION_SECONDS
    assert not access.has_session(session)
