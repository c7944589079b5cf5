"""What opens something: long enough, and kept by nobody but who it was given to (FAPI 2.0 section 5.4.1)."""

from __future__ import annotations

from typing import Any

from cme_kit.testing import Engines
from pymongo import MongoClient

CALLBACK = "https://app.example/callback"
BITS_OF_A_CHARACTER = 6
LEAST_BITS = 128


def everything_kept(engines: Engines) -> str:
    """Every document of the gateway's database."""
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        database = client["gateway"]
        return "\n".join(str(row) for name in database.list_collection_names() for row in database[name].find())


def test_every_credential_is_long_enough_and_none_is_stored_in_clear(
    gateway: Any, engines: Engines, helpers: Any
) -> None:
    made = gateway.register(
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=[CALLBACK],
        scopes=["enrolment.people:write"],
    )
    client = (made["client_id"], made["client_secret"])
    person, (verifier, challenge) = gateway.person(), helpers.pkce()
    request = {
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    pushed = gateway.http.post("/oauth/par", data=request, auth=client).json()["request_uri"]
    query = {"client_id": client[0], "request_uri": pushed}
    asked = person.browser.get("/oauth/authorize", params=query)
    page = person.browser.get(person.sign_in(asked.headers["location"]).headers["location"])
    answer = person.browser.post("/consent", data={**helpers.hidden(page), "decision": "allow"})
    code = helpers.answer_of(answer)["code"]
    form = helpers.exchange(client[0], code, verifier) | {"redirect_uri": CALLBACK}
    tokens = gateway.http.post("/oauth/token", data=form, auth=client).json()
    invited = {"scopes": ["curriculum.catalogue:read"]}
    invitation = gateway.http.post("/gateway/v1/invitations", json=invited, headers=gateway.registrar()).json()

    given = {
        "client secret": client[1].removeprefix("cme_live_"),
        "request_uri": pushed.rpartition(":")[2],
        "code": code,
        "refresh token": tokens["refresh_token"],
        "session cookie": person.browser.cookies["cme_session"],
        "invitation": invitation["initial_access_token"],
    }

    kept = everything_kept(engines)
    assert client[0] in kept
    assert {name for name, value in given.items() if len(value) * BITS_OF_A_CHARACTER < LEAST_BITS} == set()
    assert {name for name, value in given.items() if value in kept} == set()
    assert tokens["access_token"] not in kept
