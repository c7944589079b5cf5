"""Clients of the FAPI 2.0 Security Profile: pushed requests, key-bound tokens, no shared secret."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from .signers import KeyClient, parameters

PAR = "/oauth/par"
TOKEN = "/oauth/token"
CALLBACK = "https://partner.example/callback"
API = "/enrolment/v1/applications/app_1"


class Partner(KeyClient):
    """A partner's system that people sign in to."""

    def __init__(self, gateway: Any, helpers: Any, **fields: Any) -> None:
        scopes = ["openid", "enrolment.people:write", "enrolment.applications:submit"]
        super().__init__(
            gateway,
            **{
                "profile": "fapi",
                "grant_types": ["authorization_code", "refresh_token"],
                "redirect_uris": [CALLBACK],
                "scopes": scopes,
                **fields,
            },
        )
        self.helpers = helpers
        self.verifier, self.challenge = helpers.pkce()

    def request(self, **changes: str) -> dict[str, str]:
        """An authorization request; an empty value leaves a parameter out."""
        form = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid enrolment.people:write",
            "state": "s",
            "nonce": "n",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in form.items() if value}

    def push(self, **changes: str) -> str:
        """The request_uri of a pushed request."""
        answer = self.post(PAR, self.request(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["request_uri"])

    def send(self, person: Any, request_uri: str, client_id: str = "") -> Any:
        """The person opens the authorization address."""
        query = {"client_id": client_id or self.client_id, "request_uri": request_uri}
        first = person.browser.get("/oauth/authorize", params=query)
        if not first.headers.get("location", "").startswith("/login"):
            return first
        back = person.sign_in(first.headers["location"])
        return person.browser.get(back.headers["location"])

    def code(self, person: Any) -> str:
        """A code, after the person allowed it."""
        page = self.send(person, self.push())
        answer = person.browser.post("/consent", data={**self.helpers.hidden(page), "decision": "allow"})
        return str(self.helpers.answer_of(answer)["code"])

    def exchange(self, code: str) -> Any:
        """Exchange a code, with a proof."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
        }
        return self.bound(TOKEN, form)


@pytest.fixture
def partner(gateway: Any, helpers: Any) -> Partner:
    return Partner(gateway, helpers)


def test_the_whole_flow_ends_with_tokens_that_only_the_partner_can_use(partner: Partner, gateway: Any) -> None:
    person = gateway.person()

    tokens = partner.exchange(partner.code(person))

    assert tokens.status_code == 200
    assert tokens.json()["token_type"] == "DPoP"
    assert {"access_token", "refresh_token", "id_token"} <= set(tokens.json())
    form = {"grant_type": "refresh_token", "refresh_token": tokens.json()["refresh_token"]}
    refreshed = partner.bound(TOKEN, form)
    assert refreshed.status_code == 200
    assert "refresh_token" not in refreshed.json()  # FAPI 2.0: not rotated
    assert partner.call(API, refreshed.json()["access_token"]).status_code == 200


def test_a_pushed_request_is_answered_with_an_address_for_minutes(partner: Partner) -> None:
    answer = partner.post(PAR, partner.request())

    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert 5 <= answer.json()["expires_in"] < 600
    assert len(answer.json()["request_uri"].rpartition(":")[2]) >= 43


def test_a_request_that_was_not_pushed_is_told_so_at_the_clients_address(partner: Partner, gateway: Any) -> None:
    person = gateway.person()
    person.sign_in("/login")

    answer = person.browser.get("/oauth/authorize", params=partner.request())

    told = parameters(answer.headers["location"])
    assert answer.headers["location"].startswith(CALLBACK)
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "s", gateway.url)


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_decision_counts_only_after_the_sign_in_that_was_asked_for(
    partner: Partner, gateway: Any, wish: dict[str, str]
) -> None:
    person = gateway.person()
    person.sign_in("/login")
    asked = f"/oauth/authorize?client_id={partner.client_id}&request_uri={partner.push(**wish)}"
    token = partner.helpers.hidden(person.browser.get("/account"))["csrf_token"]

    answer = person.browser.post("/consent", data={"csrf_token": token, "return_to": asked, "decision": "allow"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?return_to=")


def test_what_stands_beside_a_pushed_request_does_not_count(partner: Partner, gateway: Any) -> None:
    person = gateway.person()
    uri = partner.push()
    query = {**partner.request(state="forged", redirect_uri="https://thief.example/"), "request_uri": uri}

    first = person.browser.get("/oauth/authorize", params=query)
    page = person.browser.get(person.sign_in(first.headers["location"]).headers["location"])
    answer = person.browser.post("/consent", data={**partner.helpers.hidden(page), "decision": "allow"})

    assert answer.headers["location"].startswith(CALLBACK)
    assert parameters(answer.headers["location"])["state"] == "s"


def test_a_pushed_request_is_used_once_and_by_its_client(partner: Partner, gateway: Any, helpers: Any) -> None:
    person, other = gateway.person(), Partner(gateway, helpers)
    uri = partner.push()

    foreign = partner.send(person, uri, client_id=other.client_id)
    assert foreign.status_code == 400
    page = partner.send(person, uri)
    form = {**helpers.hidden(page), "decision": "allow"}
    assert person.browser.post("/consent", data=form).status_code == 303
    again = person.browser.post("/consent", data=form)
    reopened = partner.send(person, uri)
    unknown = partner.send(person, "urn:ietf:params:oauth:request_uri:unknown")

    assert [answer.status_code for answer in (again, reopened, unknown)] == [400, 400, 400]
    assert "location" not in reopened.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"redirect_uri": "https://partner.example/other"}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "no.such:scope"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_when_it_is_pushed(partner: Partner, changes: dict[str, str], error: str) -> None:
    answer = partner.post(PAR, partner.request(**changes))

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_nobody_pushes_without_authenticating(partner: Partner, gateway: Any) -> None:
    answer = gateway.http.post(PAR, data=partner.request())

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert gateway.http.get(PAR).status_code == 405


@pytest.mark.parametrize("audience", ["/oauth/token", "list", "two"])
def test_an_assertion_names_the_issuer_and_nothing_else(partner: Partner, gateway: Any, audience: str) -> None:
    claims = {"list": [gateway.url], "two": [gateway.url, "https://other.example"]}
    aud = claims.get(audience, gateway.url + audience)

    answer = partner.post(PAR, partner.request(), aud=aud)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(("ahead", "status"), [(8, 201), (90, 401)])
def test_clocks_may_differ_by_seconds_not_by_minutes(partner: Partner, ahead: int, status: int) -> None:
    moment = int(time.time()) + ahead

    assert partner.post(PAR, partner.request(), iat=moment, nbf=moment, exp=moment + 60).status_code == status


def test_a_long_nonce_and_state_are_given_back(partner: Partner, gateway: Any) -> None:
    person = gateway.person()
    uri = partner.push(nonce="n" * 64, state="s" * 1500)

    page = partner.send(person, uri)
    answer = person.browser.post("/consent", data={**partner.helpers.hidden(page), "decision": "allow"})

    assert parameters(answer.headers["location"])["state"] == "s" * 1500
    assert partner.exchange(parameters(answer.headers["location"])["code"]).status_code == 200


def test_a_code_is_worth_nothing_without_the_proof_of_a_key(partner: Partner, gateway: Any) -> None:
    code = partner.code(gateway.person())
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}

    bare = partner.post(TOKEN, {**form, "code_verifier": partner.verifier})

    assert (bare.status_code, bare.json()["error"]) == (400, "invalid_dpop_proof")
    assert partner.exchange(code).status_code == 200  # nothing was used up


def test_a_proof_that_came_with_the_pushed_request_binds_the_code(partner: Partner, gateway: Any) -> None:
    person, right = gateway.person(), partner.key
    pushed = partner.bound(PAR, partner.request()).json()["request_uri"]
    page = partner.send(person, pushed)
    answer = person.browser.post("/consent", data={**partner.helpers.hidden(page), "decision": "allow"})
    code = partner.helpers.answer_of(answer)["code"]

    partner.key = type(right)()
    stolen = partner.exchange(code)
    partner.key = right

    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert partner.exchange(code).status_code == 200


def test_every_proof_of_this_profile_has_our_nonce(partner: Partner, gateway: Any) -> None:
    code = partner.code(gateway.person())
    token = partner.exchange(code).json()["access_token"]
    proof = partner.key.proof("GET", gateway.url + API, token)

    answer = gateway.http.get(API, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

    assert (answer.status_code, answer.json()["code"]) == (401, "use_dpop_nonce")
    assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    assert answer.headers["dpop-nonce"]


@dataclass(frozen=True)
class SecondsFromNow:
    """A time that is set when a request is made."""

    seconds: int


def signed_request(partner: Partner, **changes: Any) -> str:
    now = int(time.time())
    about = {"iss": partner.client_id, "aud": partner.gateway.url, "nbf": now, "exp": now + 60}
    claims = {**partner.request(), **about, **changes}
    for name, value in claims.items():
        if isinstance(value, SecondsFromNow):
            claims[name] = now + value.seconds
    return partner.signed({name: value for name, value in claims.items() if value is not None})


def test_a_signed_request_counts_and_what_is_outside_of_it_does_not(partner: Partner, gateway: Any) -> None:
    person = gateway.person()
    form = {"client_id": partner.client_id, "request": signed_request(partner, state="signed"), "state": "outside"}

    uri = partner.post(PAR, form).json()["request_uri"]
    page = partner.send(person, uri)
    answer = person.browser.post("/consent", data={**partner.helpers.hidden(page), "decision": "deny"})

    told = parameters(answer.headers["location"])
    assert (told["error"], told["state"]) == ("access_denied", "signed")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "https://elsewhere.example"},
        {"exp": SecondsFromNow(-5)},
        {"exp": None},
        {"nbf": SecondsFromNow(-7200)},
        {"nbf": SecondsFromNow(600), "exp": SecondsFromNow(660)},
        {"client_id": "somebody"},
        {"request_uri": "urn:x"},
    ],
)
def test_a_signed_request_that_does_not_hold_is_refused(partner: Partner, changes: dict[str, Any]) -> None:
    answer = partner.post(PAR, {"client_id": partner.client_id, "request": signed_request(partner, **changes)})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


def test_a_request_signed_by_nobody_is_refused(partner: Partner) -> None:
    for request in ("garbage", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        answer = partner.post(PAR, {"client_id": partner.client_id, "request": request})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


@pytest.mark.parametrize(
    "fields",
    [
        {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/cb"]},
    ],
)
def test_the_profile_takes_no_client_without_a_key(gateway: Any, fields: dict[str, Any]) -> None:
    body = {"name": "X", "grant_types": ["authorization_code"], "scopes": ["enrolment.people:write"], "profile": "fapi"}

    answer = gateway.http.post("/gateway/v1/clients", json=body | fields, headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
