"""Signing in and out: throttled, not guessable, not forgeable, and it outlives a kill."""

from __future__ import annotations

import re
import warnings
from typing import Any

from authlib.deprecate import AuthlibDeprecationWarning

with warnings.catch_warnings():
    # It asks for httpx2, a package that nothing else here needs.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)


def test_a_wrong_password_and_an_unknown_name_look_the_same(gateway: Any) -> None:
    person, nobody = gateway.person(), gateway.person()
    person.password, nobody.username = "wrong password", "nobody@example.org"

    answers = [somebody.sign_in("/login") for somebody in (person, nobody)]

    texts = [
        answer.text.replace(somebody.username, "").replace(helper["csrf_token"], "")
        for answer, somebody, helper in zip(
            answers, (person, nobody), (_fields(answer.text) for answer in answers), strict=True
        )
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert texts[0] == texts[1]
    assert "cme_session" not in person.browser.cookies


def _fields(text: str) -> dict[str, str]:
    return dict(re.findall(r'name="([^"]+)" value="([^"]*)"', text))


def test_guessing_passwords_is_slowed_down_for_any_name(gateway: Any) -> None:
    person = gateway.person()
    right, person.password = person.password, "wrong password"
    page = person.browser.get("/login")

    answers = [person.browser.post("/login", data=person.login_form(page)) for _ in range(7)]
    person.password = right
    blocked = person.browser.post("/login", data=person.login_form(page))

    assert [answer.status_code for answer in answers[:5]] == [403] * 5
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1


def test_a_forged_form_signs_nobody_in_and_allows_nothing(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    page = person.consent_page(app, helpers.pkce()[1])
    fields = helpers.hidden(page)

    login = gateway.person().browser.post("/login", data={"username": person.username, "password": person.password})
    foreign_token = gateway.person().browser.get("/login")
    consent = person.browser.post(
        "/consent", data={**fields, "csrf_token": helpers.hidden(foreign_token)["csrf_token"], "decision": "allow"}
    )

    assert [login.status_code, consent.status_code] == [403, 403]
    assert consent.json()["code"] == "forged_form"
    assert person.authorize(app, helpers.pkce()[1]).status_code == 200


def test_the_sign_in_page_redirects_nowhere_else(gateway: Any) -> None:
    person = gateway.person()

    answer = person.sign_in("/login?return_to=https://evil.example/oauth/authorize?")

    assert (answer.status_code, answer.headers["location"]) == (303, "/account")


def test_pages_cannot_be_framed_and_cookies_are_http_only(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    first = person.authorize(app, helpers.pkce()[1])
    page = person.browser.get(first.headers["location"])
    signed_in = person.browser.post("/login", data=person.login_form(page))

    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    cookies = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookies
    assert "samesite=lax" in cookies


def test_pages_tell_other_sites_nothing_and_hold_no_token(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(scopes=["openid", "enrolment.people:write"]), gateway.person()
    asked = person.authorize(app, helpers.pkce()[1])
    sign_in = person.browser.get(asked.headers["location"])
    consent = person.consent_page(app, helpers.pkce()[1])
    tokens = person.tokens(app)
    account = person.browser.get("/account")

    secret = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    secret.append(person.browser.cookies["cme_session"])
    for page in (sign_in, consent, account):
        assert page.status_code == 200
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self';" in page.headers["content-security-policy"]
        assert [token for token in secret if token in page.text] == []
        assert "eyJ" not in page.text  # how every JWT begins


def test_signing_out_ends_the_session(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    page = person.consent_page(app, helpers.pkce()[1])
    session = dict(person.browser.cookies)

    answer = person.browser.post("/logout", data=helpers.hidden(page))
    person.browser.cookies.update(session)

    assert answer.headers["location"].startswith("/login?")
    assert person.authorize(app, helpers.pkce()[1]).headers["location"].startswith("/login?")
