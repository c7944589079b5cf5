"""Signing people in for other applications (OpenID Connect Core)."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from .signers import KeyClient, parameters

SCOPES = ["openid", "profile", "email", "enrolment.people:write"]


THERE = {"redirect_uri": "https://app.example/callback"}


@pytest.fixture
def app(gateway: Any) -> str:
    return str(gateway.app(scopes=SCOPES))


@pytest.fixture
def web(gateway: Any) -> str:
    """An app that nobody else can be taken for, because only it is answered at its address."""
    return str(gateway.app(scopes=SCOPES, redirect_uris=[THERE["redirect_uri"]]))


def id_token_of(gateway: Any, tokens: dict[str, Any]) -> dict[str, Any]:
    keys = KeySet.import_key_set(gateway.http.get("/oauth/jwks").json())
    return dict(jwt.decode(tokens["id_token"], keys, algorithms=["ES256"]).claims)


def test_discovery_is_the_same_document(gateway: Any) -> None:
    discovery = gateway.http.get("/.well-known/openid-configuration").json()

    assert discovery == gateway.http.get("/.well-known/oauth-authorization-server").json()
    assert discovery["subject_types_supported"] == ["public"]


def test_an_id_token_says_who_signed_in_how_and_when(gateway: Any, app: str) -> None:
    person = gateway.person()
    before = int(time.time())

    tokens = person.tokens(app, scope="openid", nonce="n-1")

    claims = id_token_of(gateway, tokens)
    assert (claims["iss"], claims["aud"], claims["sub"]) == (gateway.url, app, person.subject)
    assert (claims["nonce"], claims["amr"]) == ("n-1", ["pwd"])
    assert before <= claims["auth_time"] <= claims["iat"] < claims["exp"]
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def test_without_openid_there_is_no_id_token(gateway: Any, app: str) -> None:
    assert "id_token" not in gateway.person().tokens(app, scope="enrolment.people:write", nonce="n")


def test_an_id_token_opens_nothing(gateway: Any, app: str) -> None:
    token = gateway.person().tokens(app, scope="openid")["id_token"]

    for path in ("/enrolment/v1/applications/app_1", "/oauth/userinfo"):
        assert gateway.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", {"sub"}),
        ("openid profile", {"sub", "name", "preferred_username", "locale"}),
        ("openid email", {"sub", "email", "email_verified"}),
    ],
)
def test_userinfo_says_what_the_scopes_allow(gateway: Any, app: str, scope: str, names: set[str]) -> None:
    person = gateway.person()
    header = {"Authorization": f"Bearer {person.tokens(app, scope=scope)['access_token']}"}

    for method in ("GET", "POST"):
        answer = gateway.http.request(method, "/oauth/userinfo", headers=header)
        assert (answer.status_code, set(answer.json()), answer.json()["sub"]) == (200, names, person.subject)


def test_userinfo_is_for_people_alone(gateway: Any) -> None:
    assert gateway.http.get("/oauth/userinfo").status_code == 401
    assert gateway.http.get("/oauth/userinfo", headers=gateway.bearer(gateway.machine())).status_code == 403


def test_prompt_none_asks_nobody(gateway: Any, web: str, helpers: Any) -> None:
    person, (_, challenge) = gateway.person(), helpers.pkce()
    quiet = {"scope": "openid", "prompt": "none"}

    stranger = parameters(person.authorize(web, challenge, **THERE, **quiet).headers["location"])
    assert (stranger["error"], stranger["state"], stranger["iss"]) == ("login_required", "a state", gateway.url)
    person.consent_page(web, challenge, **THERE, scope="openid")
    undecided = parameters(person.authorize(web, challenge, **THERE, **quiet).headers["location"])
    assert undecided["error"] == "consent_required"
    person.allow(web, challenge, **THERE, scope="openid")
    assert "code" in parameters(person.authorize(web, challenge, **THERE, **quiet).headers["location"])


def test_prompt_login_wants_a_new_sign_in_and_then_goes_on(gateway: Any, web: str, helpers: Any) -> None:
    person, (_, challenge) = gateway.person(), helpers.pkce()
    person.allow(web, challenge, **THERE, scope="openid")

    asked = person.authorize(web, challenge, **THERE, scope="openid", prompt="login")
    assert asked.headers["location"].startswith("/login")
    back = person.sign_in(asked.headers["location"])

    assert "code" in parameters(person.browser.get(back.headers["location"]).headers["location"])


def test_max_age_wants_a_recent_sign_in(gateway: Any, web: str, helpers: Any) -> None:
    person, (_, challenge) = gateway.person(), helpers.pkce()
    person.allow(web, challenge, **THERE, scope="openid")

    assert "code" in parameters(
        person.authorize(web, challenge, **THERE, scope="openid", max_age="600").headers["location"]
    )
    time.sleep(1.1)  # the smallest age that is not enough
    for age in ("1", "0"):
        assert (
            person.authorize(web, challenge, **THERE, scope="openid", max_age=age)
            .headers["location"]
            .startswith("/login")
        )


def test_prompt_consent_asks_again(gateway: Any, web: str, helpers: Any) -> None:
    person, (_, challenge) = gateway.person(), helpers.pkce()
    person.allow(web, challenge, **THERE, scope="openid")

    page = person.authorize(web, challenge, **THERE, scope="openid", prompt="consent")

    assert page.status_code == 200
    assert "decision" in page.text


@pytest.mark.parametrize(
    "changes", [{"prompt": "none login"}, {"prompt": "shout"}, {"max_age": "-1"}, {"response_mode": "fragment"}]
)
def test_what_the_endpoint_does_not_do_is_told_to_the_app(
    gateway: Any, app: str, helpers: Any, changes: dict[str, str]
) -> None:
    answer = gateway.person().consent_page(app, helpers.pkce()[1], **changes)

    assert parameters(answer.headers["location"])["error"] == "invalid_request"


def test_unknown_parameters_are_ignored(gateway: Any, app: str, helpers: Any) -> None:
    extra = {"claims": '{"userinfo":{}}', "ui_locales": "lt", "acr_values": "x", "login_hint": "žmogus@example.org"}

    answer = gateway.person().authorize(app, helpers.pkce()[1], scope="openid", **extra)

    assert answer.headers["location"].startswith("/login")


class Web(KeyClient):
    """A web app that pushes and signs its requests."""

    def __init__(self, gateway: Any) -> None:
        super().__init__(
            gateway,
            grant_types=["authorization_code"],
            redirect_uris=["https://app.example/callback"],
            scopes=["openid", "enrolment.people:write"],
        )

    def asked(self, challenge: str, **changes: str) -> dict[str, str]:
        """The parameters of a request."""
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": "https://app.example/callback",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "scope": "openid",
            **changes,
        }

    def pushed(self, challenge: str, **changes: str) -> dict[str, str]:
        """A pushed request as it is opened."""
        answer = self.post("/oauth/par", self.asked(challenge, **changes))
        return {"client_id": self.client_id, "request_uri": answer.json()["request_uri"]}

    def in_a_jwt(self, challenge: str, **changes: str) -> dict[str, str]:
        """A signed request as it is opened."""
        now = int(time.time())
        about = {"iss": self.client_id, "aud": self.gateway.url, "nbf": now, "exp": now + 300}
        return {"client_id": self.client_id, "request": self.signed(self.asked(challenge, **changes) | about)}


@pytest.mark.parametrize("wish", [{"max_age": "0"}, {"prompt": "login"}, {"prompt": "login", "max_age": "0"}])
@pytest.mark.parametrize("way", [Web.pushed, Web.in_a_jwt])
def test_whoever_signed_in_because_of_a_request_is_not_asked_again(
    gateway: Any, helpers: Any, way: Any, wish: dict[str, str]
) -> None:
    web, person = Web(gateway), gateway.person()
    query = way(web, helpers.pkce()[1], **wish)

    asked = person.browser.get("/oauth/authorize", params=query)
    assert asked.headers["location"].startswith("/login")
    back = person.sign_in(asked.headers["location"])

    assert "asks for access" in person.browser.get(back.headers["location"]).text


def test_a_request_for_a_new_sign_in_is_not_met_by_an_old_one(gateway: Any, helpers: Any) -> None:
    web, person = Web(gateway), gateway.person()
    person.sign_in("/login")
    (_, challenge) = helpers.pkce()

    for wish in ({"max_age": "0"}, {"prompt": "login"}):
        asked = person.browser.get("/oauth/authorize", params=web.pushed(challenge, **wish))
        assert asked.headers["location"].startswith("/login")
    assert person.browser.get("/oauth/authorize", params=web.pushed(challenge, max_age="600")).status_code == 200


def test_nobody_else_answers_than_whom_the_client_knows(gateway: Any, web: str, helpers: Any) -> None:
    person, somebody = gateway.person(), gateway.person()
    verifier, challenge = helpers.pkce()
    code = person.allow(web, challenge, **THERE, scope="openid")["code"]
    form = helpers.exchange(web, code, verifier) | THERE
    tokens = gateway.http.post("/oauth/token", data=form).json()
    somebody.allow(web, challenge, **THERE, scope="openid")

    def answered(who: Any, hint: str) -> dict[str, str]:
        answer = who.authorize(web, challenge, **THERE, scope="openid", prompt="none", id_token_hint=hint)
        return parameters(answer.headers["location"])

    assert "code" in answered(person, tokens["id_token"])
    assert answered(somebody, tokens["id_token"])["error"] == "login_required"
    for wrong in (tokens["access_token"], "a.b.c"):
        told = answered(person, wrong)
        assert (told["error"], told["iss"]) == ("invalid_request", gateway.url)
