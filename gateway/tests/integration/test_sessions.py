"""Sessions: a new one at each sign-in, an end that is kept, and a list of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cme_kit.ids import new_id
from cme_kit.mongo import Database
from gateway.accounts.domain import Method, Visit
from gateway.accounts.repository import SessionRepository
from gateway.accounts.sessions import Sessions
from gateway.audit.repository import AuditRepository
from gateway.audit.service import Audit

HERE = Visit("Firefox", "Linux", "192.0.2.7")


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 12, 1, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture
async def database(engines: Any) -> Any:
    database = Database.connect(engines.mongo_url, "gateway")
    yield database
    await database.close()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def sessions(database: Any, clock: Hands) -> Sessions:
    return Sessions(SessionRepository(database), Audit(AuditRepository(database), database, clock), clock)


def test_the_session_changes_at_each_sign_in_and_the_old_one_ends(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    challenge = helpers.pkce()[1]
    cookies = []
    for _ in range(2):
        person.sign_in("/login")
        cookies.append(dict(person.browser.cookies)["cme_session"])
    person.browser.cookies.clear()

    person.browser.cookies.set("cme_session", cookies[0])
    first = person.authorize(app, challenge)
    person.browser.cookies.clear()
    person.browser.cookies.set("cme_session", cookies[1])
    second = person.authorize(app, challenge)

    assert cookies[0] != cookies[1]
    assert first.headers["location"].startswith("/login")
    assert second.status_code == 200


def test_a_session_cookie_that_somebody_else_chose_is_not_kept(gateway: Any) -> None:
    person = gateway.person()
    page = person.browser.get("/login")

    answer = person.browser.post(
        "/login", data=person.login_form(page), headers={"Cookie": f"cme_session=chosen; {_cookies(person)}"}
    )

    assert answer.cookies["cme_session"] != "chosen"


def _cookies(person: Any) -> str:
    return "; ".join(f"{name}={value}" for name, value in person.browser.cookies.items())


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "/portal/..//evil.example", "/portal%2f%2fx"])
def test_signing_in_and_out_lead_nowhere_else(gateway: Any, helpers: Any, target: str) -> None:
    person = gateway.person()
    page = person.browser.get("/login", params={"return_to": target})

    answer = person.browser.post("/login", data=person.login_form(page, return_to=target))
    left = person.browser.post("/logout", data={**helpers.hidden(person.browser.get("/login")), "return_to": target})

    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert left.headers["location"] == "/login?return_to=%2Faccount"


async def test_a_session_ends_when_it_is_not_used(sessions: Sessions, clock: Hands) -> None:
    cookie, _ = await sessions.begin(new_id("per"), Method.PASSWORD, HERE)

    for _ in range(3):
        clock.time += timedelta(minutes=50)
        assert await sessions.current(cookie) is not None
    clock.time += timedelta(minutes=61)

    assert await sessions.current(cookie) is None


async def test_a_session_ends_after_eight_hours_however_much_it_is_used(sessions: Sessions, clock: Hands) -> None:
    cookie, _ = await sessions.begin(new_id("per"), Method.PASSWORD, HERE)

    for _ in range(15):
        clock.time += timedelta(minutes=30)
        assert await sessions.current(cookie) is not None
    clock.time += timedelta(minutes=30)

    assert await sessions.current(cookie) is None


async def test_the_last_use_is_known_to_five_minutes(sessions: Sessions, clock: Hands) -> None:
    subject = new_id("per")
    cookie, begun = await sessions.begin(subject, Method.UPSTREAM, HERE, issuer="https://idp.example")
    clock.time += timedelta(minutes=4)
    await sessions.current(cookie)
    (unwritten,) = await sessions.of(subject)
    clock.time += timedelta(minutes=2)
    await sessions.current(cookie)

    (seen,) = await sessions.of(subject)

    assert unwritten.last_seen == begun.last_seen
    assert seen.last_seen == clock.time
    assert (seen.auth_time, seen.issuer, seen.visit) == (begun.auth_time, "https://idp.example", HERE)


async def test_a_session_that_was_ended_does_not_come_back_by_being_used(sessions: Sessions, clock: Hands) -> None:
    subject = new_id("per")
    cookie, begun = await sessions.begin(subject, Method.PASSKEY, HERE)
    other, _ = await sessions.begin(subject, Method.PASSWORD, HERE)

    assert await sessions.end(new_id("per"), begun.key) is False
    assert await sessions.end(subject, begun.key) is True
    clock.time += timedelta(minutes=6)

    assert await sessions.current(cookie) is None
    assert await sessions.end_all(subject) == 1
    assert await sessions.current(other) is None
