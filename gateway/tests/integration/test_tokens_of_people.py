"""Sign-in, consent, codes and refresh tokens."""

from __future__ import annotations

import base64
import json
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from cme_kit.testing import Engines
from pymongo import MongoClient

with warnings.catch_warnings():
    # It asks for httpx2, a package that nothing else here needs.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def scopes_of(token: str) -> set[str]:
    return set(claims_of(token)["scope"].split())


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


def test_the_consent_page_says_who_asks_for_what_and_for_how_long(gateway: Any, helpers: Any) -> None:
    app = gateway.app(name="Cluster calendar", redirect_uris=["https://calendar.example:8443/callback"])
    asked = {"redirect_uri": "https://calendar.example:8443/callback"}
    wanted = "enrolment.people:write enrolment.applications:submit"

    page = gateway.person("applicant").consent_page(app, helpers.pkce()[1], scope=wanted, **asked)

    assert page.status_code == 200
    for shown in (
        *("Cluster calendar asks for access", "You return to calendar.example:8443."),
        *("Keep your name, e-mail address and language up to date", "Apply in your name"),
        "Allow for 90 days",
    ):
        assert shown in page.text
    assert page.text.count("<li><svg") == 2
    assert "See transcripts and results" not in page.text  # the app has it and did not ask for it


def test_a_nonce_of_64_characters_is_in_the_id_token(gateway: Any) -> None:
    nonce = "n0-_" * 16

    tokens = gateway.person().tokens(gateway.app(scopes=["openid"]), scope="openid", nonce=nonce)

    assert claims_of(tokens["id_token"])["nonce"] == nonce


def test_a_persons_scopes_are_those_of_role_and_client_and_request(gateway: Any) -> None:
    app = gateway.app(scopes=["enrolment.people:write", "enrolment.applications:score", "enrolment.applications:read"])

    reader = gateway.person("reader").tokens(app, scope="enrolment.applications:score enrolment.people:write")
    applicant = gateway.person("applicant").tokens(app)

    assert scopes_of(reader["access_token"]) == {"enrolment.applications:score", "enrolment.people:write"}
    assert scopes_of(applicant["access_token"]) == {"enrolment.people:write"}


def test_consent_is_asked_once_per_client_and_scope(gateway: Any, helpers: Any) -> None:
    there = "https://app.example/callback"
    app, person = gateway.app(redirect_uris=[there]), gateway.person()
    _, challenge = helpers.pkce()
    person.allow(app, challenge, scope="enrolment.people:write", redirect_uri=there)

    again = person.authorize(app, challenge, scope="enrolment.people:write", redirect_uri=there)
    wider = person.authorize(app, challenge, redirect_uri=there)

    assert again.status_code == 303
    assert "code" in helpers.answer_of(again)
    assert wider.status_code == 200
    assert "asks for access" in wider.text


def test_a_program_on_the_same_machine_may_be_another_one_so_it_is_asked_each_time(gateway: Any, helpers: Any) -> None:
    app, person = gateway.app(), gateway.person()
    _, challenge = helpers.pkce()
    person.allow(app, challenge)

    again = person.authorize(app, challenge)
    quiet = person.authorize(app, challenge, prompt="none")

    assert (again.status_code, "asks for access" in again.text) == (200, True)
    assert helpers.answer_of(quiet)["error"] == "consent_required"


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


def test_a_refresh_token_ends_with_its_grant_although_it_was_renewed(gateway: Any, engines: Engines) -> None:
    app, person = gateway.app(), gateway.person()
    first = person.tokens(app)
    ends = datetime.now(UTC) + timedelta(seconds=1)
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:  # the 90 days of the grant are nearly over
        client["gateway"]["refresh_tokens"].update_many({"client_id": app}, {"$set": {"grant_expires": ends}})

    renewed = refresh(gateway, app, first["refresh_token"])
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.01)
    late = refresh(gateway, app, renewed.json()["refresh_token"])

    assert renewed.status_code == 200
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")


def test_a_token_with_nothing_left_in_it_is_not_given(gateway: Any) -> None:
    app, person = gateway.app(), gateway.person()
    first = person.tokens(app, scope="enrolment.applications:submit")

    body = {"roles": ["expert"]}
    gateway.http.put(f"/gateway/v1/accounts/{person.subject}/roles", json=body, headers=gateway.registrar())
    answer = refresh(gateway, app, first["refresh_token"])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


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


def test_sessions_consents_and_tokens_survive_a_kill(
    gateway_process: Any, killed_and_started: Any, helpers: Any, tmp_path: Path
) -> None:
    gateway = gateway_process
    there = "https://app.example/callback"
    app, web, person = gateway.app(), gateway.app(redirect_uris=[there]), gateway.person()
    tokens = person.tokens(app)
    revoked = person.tokens(app)
    person.allow(web, helpers.pkce()[1], redirect_uri=there)
    gateway.http.post("/oauth/revoke", data={"token": revoked["refresh_token"], "client_id": app})

    killed_and_started(gateway, tmp_path)

    assert "code" in helpers.answer_of(person.authorize(web, helpers.pkce()[1], redirect_uri=there))
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
