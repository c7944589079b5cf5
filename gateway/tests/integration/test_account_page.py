"""The account page: what a person changes, what follows from it, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cme_kit.testing import Engines
from gateway.accounts.throttle import FAILURES_FROM
from gateway.peppered import Pepper
from pymongo import MongoClient

from .conftest import EchoServer, Gateway, start, stop


def opened(person: Any) -> Any:
    """The account page of somebody who signs in for it."""
    person.sign_in("/login")
    return person.browser.get("/account")


def send(person: Any, helpers: Any, part: str, **fields: str) -> Any:
    token = helpers.hidden(person.browser.get("/account"))["csrf_token"]
    return person.browser.post(f"/account/{part}", data={"csrf_token": token, **fields})


def test_somebody_who_is_not_signed_in_signs_in_and_comes_back(gateway: Any) -> None:
    person = gateway.person()

    first = person.browser.get("/account?done=profile")
    back = person.sign_in(first.headers["location"])

    assert first.headers["location"].startswith("/login?")
    assert back.headers["location"] == "/account?done=profile"
    assert "Your name and language were saved." in person.browser.get(back.headers["location"]).text


def test_a_name_and_a_language_are_changed(gateway: Any, helpers: Any) -> None:
    person = gateway.person()
    opened(person)

    answer = send(person, helpers, "profile", display_name="  Ona   Onaitė ", language="lt")

    assert answer.headers["location"] == "/account?done=profile"
    page = person.browser.get("/account")
    assert '<html lang="lt">' in page.text
    assert 'value="Ona Onaitė"' in page.text


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "Ona\u202eanO", "Ona\x00"])
def test_a_name_that_is_none_changes_nothing_and_stays_in_the_field(gateway: Any, helpers: Any, name: str) -> None:
    person = gateway.person()
    opened(person)

    answer = send(person, helpers, "profile", display_name=name, language="fi")

    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Ona"' in person.browser.get("/account").text


def test_a_password_is_changed_with_the_old_one_and_everybody_else_is_signed_out(gateway: Any, helpers: Any) -> None:
    person = gateway.person()
    opened(person)
    before = dict(person.browser.cookies)["cme_session"]
    elsewhere = gateway.someone_else_at(person)
    elsewhere.sign_in("/login")

    wrong = send(person, helpers, "password", current_password="no", new_password="a horse of another colour")
    right = send(
        person, helpers, "password", current_password=person.password, new_password="a horse of another colour"
    )

    assert wrong.status_code == 422
    assert "This is not your password of today." in wrong.text
    assert right.headers["location"] == "/account?done=password"
    assert dict(person.browser.cookies)["cme_session"] != before
    assert person.browser.get("/account").status_code == 200
    assert elsewhere.browser.get("/account").status_code == 303
    assert elsewhere.sign_in("/login").status_code == 403
    elsewhere.password = "a horse of another colour"
    assert elsewhere.sign_in("/login").status_code == 303


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short12", "at least 8"),
        ("x" * 257, "at most 256"),
        ("Password1", "tried first"),
        ("iloveyou", "tried first"),
        ("ClusterManager2026!", "our name"),
        ("{username}", "your address"),
    ],
)
def test_a_password_that_others_would_try_is_refused(gateway: Any, helpers: Any, password: str, told: str) -> None:
    person = gateway.person()
    opened(person)
    chosen = password.format(username=person.username)

    answer = send(person, helpers, "password", current_password=person.password, new_password=chosen)

    assert answer.status_code == 422
    assert told in answer.text
    assert person.sign_in("/login").status_code == 303


def test_a_registrar_may_not_choose_such_a_password_either(gateway: Any) -> None:
    body = {"username": "weak@example.org", "password": "password123", "display_name": "Ona", "roles": ["applicant"]}

    answer = gateway.http.post("/gateway/v1/accounts", json=body, headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")


def test_guessing_the_old_password_is_slowed_down(gateway: Any, helpers: Any) -> None:
    person = gateway.person()
    opened(person)

    answers = [
        send(person, helpers, "password", current_password="no", new_password="whatever it is") for _ in range(6)
    ]

    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_browsers_are_listed_and_signed_out(gateway: Any, helpers: Any) -> None:
    person = gateway.person()
    person.browser.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    opened(person)
    others = [gateway.someone_else_at(person) for _ in range(2)]
    for other in others:
        other.browser.headers["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/143.0 Safari/537.36"
        other.sign_in("/login")
    page = person.browser.get("/account").text
    keys = helpers.values(page, "session")

    one = send(person, helpers, "sessions", session=keys[0])
    left = [other.browser.get("/account").status_code for other in others]
    rest = send(person, helpers, "other-sessions")

    assert page.count(">Chrome on Windows</th>") == 2
    assert "Firefox on Linux" in page
    assert "127.0.0.1" in page
    assert len(keys) == 3
    assert (one.headers["location"], sorted(left)) == ("/account?done=session", [200, 303])
    assert rest.headers["location"] == "/account?done=sessions"
    assert [other.browser.get("/account").status_code for other in others] == [303, 303]
    assert person.browser.get("/account").status_code == 200


def test_nobody_ends_the_session_of_somebody_else(gateway: Any, helpers: Any) -> None:
    person, other = gateway.person(), gateway.person()
    opened(person)
    key = helpers.values(opened(other).text, "session")[0]

    send(person, helpers, "sessions", session=key)

    assert other.browser.get("/account").status_code == 200


def test_an_access_that_is_withdrawn_ends_its_tokens_at_once(gateway: Any, helpers: Any) -> None:
    app, other_app, person = gateway.app(name="Baltic Hub"), gateway.app(), gateway.person()
    tokens = person.tokens(app)
    kept = person.tokens(other_app)
    read = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert gateway.http.get("/assessment/v1/x", headers=read).status_code == 200
    page = person.browser.get("/account").text

    answer = send(person, helpers, "consents", client=app)

    assert "Baltic Hub" in page
    assert "See transcripts and results" in page
    assert answer.headers["location"] == "/account?done=consent"
    refused = gateway.http.get("/assessment/v1/x", headers=read)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
    assert gateway.http.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    still = {"Authorization": f"Bearer {kept['access_token']}"}
    assert gateway.http.get("/assessment/v1/x", headers=still).status_code == 200
    assert person.authorize(app, helpers.pkce()[1]).status_code == 200, "asked again"


def test_a_consent_of_somebody_else_is_not_withdrawn(gateway: Any, helpers: Any) -> None:
    app, person, other = gateway.app(), gateway.person(), gateway.person()
    tokens = person.tokens(app)
    opened(other)

    send(other, helpers, "consents", client=app)

    read = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert gateway.http.get("/assessment/v1/x", headers=read).status_code == 200


PARTS = ("profile", "password", "sessions", "other-sessions", "consents")


@pytest.mark.parametrize("part", PARTS)
def test_a_form_without_our_token_changes_nothing(gateway: Any, part: str) -> None:
    person = gateway.person()
    opened(person)
    fields = {"language": "de", "display_name": "X", "session": "x", "client": "x", "csrf_token": "x"}

    answer = person.browser.post(f"/account/{part}", data=fields)

    assert (answer.status_code, answer.json()["code"]) == (403, "forged_form")
    assert 'value="Ona"' in person.browser.get("/account").text


@pytest.mark.parametrize("part", PARTS)
def test_a_form_of_somebody_who_was_signed_out_leads_to_the_sign_in_page(gateway: Any, helpers: Any, part: str) -> None:
    person = gateway.person()
    token = helpers.hidden(opened(person))["csrf_token"]
    send(person, helpers, "sessions", session=helpers.values(person.browser.get("/account").text, "session")[0])

    answer = person.browser.post(
        f"/account/{part}", data={"csrf_token": token, "language": "de", "session": "x", "client": "x"}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?return_to=%2Faccount")


def test_the_page_is_not_kept_and_not_framed(gateway: Any) -> None:
    page = opened(gateway.person())

    assert page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("language", "title"), [("sv", "Ditt konto"), ("fi", "Oma tili"), ("lt", "Jūsų paskyra"), ("de", "Ihr Konto")]
)
def test_the_page_speaks_five_languages(gateway: Any, language: str, title: str) -> None:
    person = gateway.person()
    opened(person)

    assert f"<h1>{title}</h1>" in person.browser.get(f"/account?lang={language}").text


def test_the_address_of_a_form_leads_to_the_page(gateway: Any) -> None:
    answer = gateway.person().browser.get("/account/password?lang=de")

    assert (answer.status_code, answer.headers["location"]) == (303, "/account?lang=de")


@pytest.fixture
def behind_a_balancer(engines: Engines, echo: EchoServer, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that believes what the load balancer before it says of its clients."""
    running = start(engines, echo.url, tmp_path, CME_TRUSTED_PROXIES="127.0.0.1")
    yield running
    stop(running)


def test_where_somebody_is_comes_from_a_trusted_balancer_only(gateway: Gateway, behind_a_balancer: Gateway) -> None:
    seen = []
    for one in (gateway, behind_a_balancer):
        person = one.person()
        person.browser.headers["X-Forwarded-For"] = "198.51.100.1, 203.0.113.9"
        seen.append(opened(person).text)

    assert ["203.0.113.9" in text for text in seen] == [False, True]
    assert ["198.51.100.1" in text for text in seen] == [False, False], "the client itself may write anything"
    assert "127.0.0.1" in seen[0]


def test_guessing_for_many_names_from_one_place_is_slowed_down(behind_a_balancer: Gateway, engines: Engines) -> None:
    key = Pepper("a pepper of the tests").derive("throttle", FAILURES_FROM.purpose, "203.0.113.77")
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        ends = datetime.now(UTC) + timedelta(minutes=10)
        client.gateway.throttle_counts.insert_one({"_id": key, "count": FAILURES_FROM.most - 1, "expires": ends})
    statuses = []
    for _ in range(2):
        guesser = behind_a_balancer.person()
        guesser.browser.headers["X-Forwarded-For"] = "203.0.113.77"
        guesser.password = "wrong password"
        statuses.append(guesser.sign_in("/login").status_code)

    assert statuses == [403, 429]
    assert behind_a_balancer.person().sign_in("/login").status_code == 303
