"""Sign-in, consent, codes and refresh tokens."""

from __future__ import annotations

import base64
import json
import re
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from authlib.deprecate import AuthlibDeprecationWarning

with warnings.catch_warnings():
    # It asks for httpx2, a package that nothing else here needs.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client


def scopes_of(token: str) -> set[str]:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return set(claims["scope"].split())


def refresh(gateway: Any, app: str, token: str, **extra: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": app, **extra}
    return gateway.http.post("/oauth/token", data=form)


def status_at_the_edge(gateway: Any, token: str) -> int:
    header = {"Authorization": f"Bearer {token}"}
    return int(gateway.http.get("/enrolment/v1/people/me", headers=header).status_code)


def test_a_person_allows_an_app_and_it_gets_a_token(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person("applicant")
    verifier, challenge = helpers.pkce()

    answer = person.allow(app, challenge)
    token = gateway.http.post("/oauth/token", data=helpers.exchange(app, answer["code"], verifier))

    assert answer["state"] == "a state"
    assert answer["iss"] == gateway.url
    assert token.headers["cache-control"] == "no-store"
    assert token.json()["refresh_token"]
    assert scopes_of(token.json()["access_token"]) == set(token.json()["scope"].split())
    assert status_at_the_edge(gateway, token.json()["access_token"]) == 200


def test_a_persons_scopes_are_those_of_role_and_client_and_request(gateway: Any) -> None:
    app = gateway.app(scopes=["enrolment.people:write", "enrolment.applications:score", "enrolment.applications:read"])

    reader = gateway.person("reader").tokens(app, scope="enrolment.applications:score enrolment.people:write")
    applicant = gateway.person("applicant").tokens(app)

    assert scopes_of(reader["access_token"]) == {"enrolment.applications:score", "enrolment.people:write"}
    assert scopes_of(applicant["access_token"]) == {"enrolment.people:write"}


def test_consent_is_asked_once_per_client_and_scope(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    _, challenge = helpers.pkce()
    person.allow(app, challenge, scope="enrolment.people:write")

    again = person.authorize(app, challenge, scope="enrolment.people:write")
    wider = person.authorize(app, challenge)

    assert again.status_code == 303
    assert "code" in helpers.answer_of(again)
    assert wider.status_code == 200
    assert "asks for access" in wider.text


def test_a_denial_is_told_to_the_app(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    page = person.consent_page(app, helpers.pkce()[1])

    answer = person.browser.post("/consent", data={**helpers.hidden(page), "decision": "deny"})

    assert answer.status_code == 303
    told = helpers.answer_of(answer)
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "a state", gateway.url)


def test_a_code_works_once_and_its_reuse_revokes_what_came_of_it(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    verifier, challenge = helpers.pkce()
    form = helpers.exchange(app, person.allow(app, challenge)["code"], verifier)
    first = gateway.http.post("/oauth/token", data=form).json()
    assert status_at_the_edge(gateway, first["access_token"]) == 200

    second = gateway.http.post("/oauth/token", data=form)

    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert status_at_the_edge(gateway, first["access_token"]) == 401
    assert refresh(gateway, app, first["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "x" * 43}, {"redirect_uri": "http://127.0.0.1:5556/callback"}, {"code_verifier": ""}],
    ids=["verifier", "redirect", "no verifier"],
)
def test_a_code_needs_its_verifier_and_its_redirect(gateway: Any, helpers: Any, changes: dict[str, str]) -> None:
    app, person = gateway.app(), gateway.person()
    verifier, challenge = helpers.pkce()
    form = helpers.exchange(app, person.allow(app, challenge)["code"], verifier)

    answer = gateway.http.post("/oauth/token", data=form | changes)

    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_request")


def test_a_code_is_for_its_client_only(gateway: Any, helpers: Any) -> None:
    app, other, person = gateway.app(), gateway.app(), gateway.person()
    verifier, challenge = helpers.pkce()
    form = helpers.exchange(other, person.allow(app, challenge)["code"], verifier)

    assert gateway.http.post("/oauth/token", data=form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
    ],
    ids=["no challenge", "plain", "no method"],
)
def test_without_an_s256_challenge_there_is_no_code(gateway: Any, helpers: Any, changes: dict[str, str]) -> None:
    answer = gateway.person().authorize(gateway.app(), helpers.pkce()[1], **changes)

    assert answer.status_code == 303
    told = helpers.answer_of(answer)
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "a state", gateway.url)
    assert "code" not in told


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5555/other",
        "http://127.0.0.1:5555/callback?a=b",
        "http://127.0.0.1:5555/a/../callback",
        "http://127.0.0.1:5555/callback#fragment",
        "http://user@127.0.0.1:5555/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost:5555/callback",
        "https://127.0.0.1:5555/callback",
        "https://evil.example/callback",
        "",
    ],
)
def test_a_foreign_redirect_gets_a_page_and_never_a_redirect(gateway: Any, helpers: Any, uri: str) -> None:
    answer = gateway.person().authorize(gateway.app(), helpers.pkce()[1], redirect_uri=uri)

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "cannot sign you in" in answer.text


def test_an_unknown_client_and_a_repeated_parameter_get_a_page(gateway: Any, helpers: Any) -> None:
    person, app = gateway.person(), gateway.app()

    unknown = person.authorize("nobody", helpers.pkce()[1])
    repeated = person.browser.get(f"/oauth/authorize?client_id={app}&client_id={app}&response_type=code")

    assert (unknown.status_code, repeated.status_code) == (400, 400)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "no.such:scope"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
    ],
)
def test_errors_in_a_redirect_carry_state_and_issuer_in_the_query(
    gateway: Any, helpers: Any, changes: dict[str, str], error: str
) -> None:
    answer = gateway.person().authorize(gateway.app(), helpers.pkce()[1], **changes)

    told = helpers.answer_of(answer)
    assert answer.status_code == 303
    assert (told["error"], told["state"], told["iss"]) == (error, "a state", gateway.url)
    assert urlsplit(answer.headers["location"]).fragment == ""


def test_other_origins_cannot_read_the_authorization_endpoint(gateway: Any, helpers: Any) -> None:
    answer = gateway.http.get("/oauth/authorize", headers={"Origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_a_refresh_token_rotates_and_its_reuse_revokes_the_family(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person()
    first = person.tokens(app)

    second = refresh(gateway, app, first["refresh_token"]).json()
    assert status_at_the_edge(gateway, second["access_token"]) == 200
    reused = refresh(gateway, app, first["refresh_token"])

    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert refresh(gateway, app, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert status_at_the_edge(gateway, second["access_token"]) == 401


def test_a_refresh_narrows_and_never_widens(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person()
    first = person.tokens(app, scope="enrolment.people:write")

    wider = refresh(gateway, app, first["refresh_token"], scope="enrolment.people:write enrolment.applications:submit")
    same = refresh(gateway, app, first["refresh_token"], scope="enrolment.people:write")

    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    assert scopes_of(same.json()["access_token"]) == {"enrolment.people:write"}


def test_revoking_a_refresh_token_ends_the_grant(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person()
    tokens = person.tokens(app)

    answer = gateway.http.post("/oauth/revoke", data={"token": tokens["refresh_token"], "client_id": app})

    assert answer.status_code == 200
    assert status_at_the_edge(gateway, tokens["access_token"]) == 401
    assert refresh(gateway, app, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_confidential_client_keeps_its_refresh_token(gateway: Any, helpers: Any) -> None:
    made = gateway.register(
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=[helpers.callback],
        scopes=["enrolment.people:write"],
    )
    credential = (made["client_id"], made["client_secret"])
    verifier, challenge = helpers.pkce()
    form = helpers.exchange(made["client_id"], gateway.person().allow(made["client_id"], challenge)["code"], verifier)
    unauthenticated = gateway.http.post("/oauth/token", data=form)
    tokens = gateway.http.post("/oauth/token", data=form, auth=credential).json()

    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answers = [gateway.http.post("/oauth/token", data=again, auth=credential) for _ in range(2)]

    assert unauthenticated.status_code == 401
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "refresh_token" not in answers[0].json()


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

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


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


def test_signing_out_ends_the_session(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    page = person.consent_page(app, helpers.pkce()[1])
    session = dict(person.browser.cookies)

    answer = person.browser.post("/logout", data=helpers.hidden(page))
    person.browser.cookies.update(session)

    assert answer.headers["location"].startswith("/login?")
    assert person.authorize(app, helpers.pkce()[1]).headers["location"].startswith("/login?")


def test_sessions_consents_and_tokens_survive_a_kill(
    gateway_process: Any, killed_and_started: Any, helpers: Any, tmp_path: Path
) -> None:
    gateway = gateway_process
    app, person = gateway.app(), gateway.person()
    tokens = person.tokens(app)
    revoked = person.tokens(app)
    gateway.http.post("/oauth/revoke", data={"token": revoked["refresh_token"], "client_id": app})

    killed_and_started(gateway, tmp_path)

    assert "code" in helpers.answer_of(person.authorize(app, helpers.pkce()[1]))
    assert status_at_the_edge(gateway, tokens["access_token"]) == 200
    assert status_at_the_edge(gateway, revoked["access_token"]) == 401
    assert refresh(gateway, app, tokens["refresh_token"]).status_code == 200


async def test_authlibs_own_client_plays_client_credentials(gateway: Any) -> None:
    client_id, secret = gateway.machine("enrolment.applications:read")

    async with AsyncOAuth2Client(client_id, secret, token_endpoint=f"{gateway.url}/oauth/token") as client:
        token = await client.fetch_token(grant_type="client_credentials")
        answer = await client.get(f"{gateway.url}/enrolment/v1/applications/app_1")

    assert token["scope"] == "enrolment.applications:read"
    assert answer.status_code == 200


async def test_authlibs_own_client_plays_the_code_flow_and_refreshes(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    verifier, _ = helpers.pkce()

    async with AsyncOAuth2Client(
        app,
        redirect_uri=helpers.callback,
        code_challenge_method="S256",
        token_endpoint=f"{gateway.url}/oauth/token",
        token_endpoint_auth_method="none",
    ) as client:
        url, state = client.create_authorization_url(f"{gateway.url}/oauth/authorize", code_verifier=verifier)
        back = person.sign_in(person.browser.get(url).headers["location"])
        page = person.browser.get(back.headers["location"])
        redirect = person.browser.post("/consent", data={**helpers.hidden(page), "decision": "allow"})
        token = await client.fetch_token(
            authorization_response=redirect.headers["location"], state=state, code_verifier=verifier
        )
        refreshed = await client.refresh_token(refresh_token=token["refresh_token"])

    assert refreshed["access_token"] != token["access_token"]
    assert status_at_the_edge(gateway, refreshed["access_token"]) == 200
