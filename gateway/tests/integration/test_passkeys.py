"""Passkeys: signing in with one, and every answer of an authenticator that must not do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cme_kit.testing import Engines
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fido2 import cbor
from fido2.cose import RS256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from .authenticator import PRESENT, VERIFIED, Authenticator, encoded

ORIGIN = "http://localhost:9443"
NAME = "Blue key"


@pytest.fixture
def here(named_gateway: Any) -> Any:
    """A gateway at an address with a name, as passkeys need it."""
    return named_gateway


@pytest.fixture
def person(here: Any) -> Any:
    """Somebody who just signed in with a password."""
    person = here.person()
    person.sign_in("/login")
    return person


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(ORIGIN)


def token(browser: Any, page: str = "/account") -> str:
    text = browser.get(page).text
    return str(text.partition('name="csrf_token" value="')[2].partition('"')[0])


def creation_options(person: Any) -> Any:
    answer = person.browser.post("/account/passkeys/options", data={"csrf_token": token(person.browser)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def add(person: Any, credential: str, name: str = NAME) -> Any:
    fields = {"csrf_token": token(person.browser), "credential": credential, "passkey_name": name}
    return person.browser.post("/account/passkeys", data=fields)


def added(person: Any, authenticator: Authenticator) -> None:
    answer = add(person, authenticator.create(creation_options(person)))
    assert answer.headers.get("location") == "/account?done=passkey-added", answer.text


def request_options(browser: Any) -> Any:
    answer = browser.post("/login/passkey/options", data={"csrf_token": token(browser, "/login")})
    assert answer.status_code == 200, answer.text
    return answer.json()


def sign_in(browser: Any, credential: str, return_to: str = "") -> Any:
    fields = {"csrf_token": token(browser, "/login"), "credential": credential, "return_to": return_to}
    return browser.post("/login/passkey", data=fields)


def test_a_passkey_is_added_and_signs_in_by_itself(here: Any, person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    elsewhere = here.someone_else_at(person).browser

    answer = sign_in(elsewhere, authenticator.get(request_options(elsewhere)), "/portal/clients")

    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/clients")
    page = elsewhere.get("/account").text
    assert NAME in page
    assert '<td data-label="Signed in with"><span>Passkey</span></td>' in page


def test_the_options_ask_for_what_we_need(here: Any, person: Any, authenticator: Authenticator) -> None:
    creation = creation_options(person)
    added(person, authenticator)
    request = request_options(here.person().browser)

    assert creation["rp"]["id"] == "localhost"
    assert creation["authenticatorSelection"]["residentKey"] == "required"
    assert creation["authenticatorSelection"]["userVerification"] == "required"
    assert creation["attestation"] == "none"
    assert [one["alg"] for one in creation["pubKeyCredParams"]] == [-7, -8, -257]
    assert [one["id"] for one in creation_options(person)["excludeCredentials"]] == [
        encoded(authenticator.credential_id)
    ]
    assert (request["rpId"], request["userVerification"]) == ("localhost", "required")
    assert "allowCredentials" not in request


CREATION_FLAWS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "a subdomain": {"origin": "http://sub.localhost:9443"},
    "another port": {"origin": "http://localhost:9444"},
    "inside a frame": {"cross_origin": True},
    "a signature for a sign-in": {"kind": "webauthn.get"},
    "another relying party": {"rp_id": "evil.example"},
    "nobody present": {"flags": VERIFIED | 0x40},
    "nobody verified": {"flags": PRESENT | 0x40},
    "no credential": {"flags": PRESENT | VERIFIED},
    "a challenge of our own making": {"challenge": encoded(b"x" * 32)},
    "not an attestation": {"attestation_object": b"\xff\xff"},
    "an endless nesting": {"attestation_object": b"\x81" * 8000},
    "a key of another kind": {"public_key": cbor.encode({1: 2, 3: -65535, -1: 1})},
}


@pytest.mark.parametrize("flaw", CREATION_FLAWS)
def test_a_passkey_made_wrongly_is_not_added(person: Any, authenticator: Authenticator, flaw: str) -> None:
    options = creation_options(person)

    answer = add(person, authenticator.create(options, **CREATION_FLAWS[flaw]))

    assert answer.status_code == 422
    assert "This passkey could not be added." in answer.text
    assert NAME not in person.browser.get("/account").text


def test_a_weak_algorithm_is_not_added(person: Any, authenticator: Authenticator) -> None:
    key = dict(RS256.from_cryptography_key(rsa.generate_private_key(65537, 2048).public_key()))
    es512 = {1: 2, 3: -36, -1: 3, -2: bytes(66), -3: bytes(66)}

    fine = add(person, authenticator.create(creation_options(person), public_key=cbor.encode(key)))
    authenticator.credential_id = b"another"
    refused = add(person, authenticator.create(creation_options(person), public_key=cbor.encode(es512)))

    assert (fine.status_code, refused.status_code) == (303, 422)


SIGN_IN_FLAWS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "inside a frame": {"cross_origin": True},
    "a signature for a creation": {"kind": "webauthn.create"},
    "another relying party": {"rp_id": "evil.example"},
    "nobody present": {"flags": VERIFIED},
    "nobody verified": {"flags": PRESENT},
    "a challenge of our own making": {"challenge": encoded(b"x" * 32)},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "no signature": {"signature": b""},
    "an unknown credential": {"credential_id": b"nobody has this"},
    "another person": {"user_handle": encoded(b"per_01jb6x9y2kfq0v8r3m5t7w1z4c")},
    "no person": {"user_handle": None},
}


@pytest.mark.parametrize("flaw", SIGN_IN_FLAWS)
def test_a_wrong_signature_signs_nobody_in(here: Any, person: Any, authenticator: Authenticator, flaw: str) -> None:
    added(person, authenticator)
    browser = here.someone_else_at(person).browser

    answer = sign_in(browser, authenticator.get(request_options(browser), **SIGN_IN_FLAWS[flaw]))

    assert answer.status_code == 403
    assert "This passkey is not known here or could not be checked." in answer.text
    assert "cme_session" not in browser.cookies


def test_a_signature_signs_in_once(here: Any, person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    browser = here.someone_else_at(person).browser
    credential = authenticator.get(request_options(browser))

    answers = [sign_in(browser, credential).status_code for _ in range(2)]

    assert answers == [303, 403]


def test_a_signature_is_of_no_use_in_another_browser(here: Any, person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    asked, other = (here.someone_else_at(person).browser for _ in range(2))
    credential = authenticator.get(request_options(asked))

    assert sign_in(other, credential).status_code == 403
    assert sign_in(asked, credential).status_code == 303, "whoever failed elsewhere used nothing up"


def test_a_challenge_for_a_new_passkey_signs_nobody_in(person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    options = {**creation_options(person), "rpId": "localhost"}

    assert sign_in(person.browser, authenticator.get(options)).status_code == 403


@pytest.mark.parametrize(
    ("counters", "last"), [((5, 5), 403), ((5, 4), 403), ((5, 0), 403), ((5, 6), 303), ((0, 0), 303)]
)
def test_a_counter_that_does_not_grow_may_be_a_copy(
    here: Any, person: Any, authenticator: Authenticator, counters: tuple[int, int], last: int
) -> None:
    added(person, authenticator)
    browser = here.someone_else_at(person).browser

    answers = [
        sign_in(browser, authenticator.get(request_options(browser), counter=count)).status_code for count in counters
    ]

    assert answers == [303, last]


def test_a_passkey_is_named_and_removed(here: Any, person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    passkey = encoded(authenticator.credential_id)
    fields = {"csrf_token": token(person.browser), "passkey": passkey}

    named = person.browser.post("/account/passkeys/name", data={**fields, "new_name": "  Phone  "})
    page = person.browser.get("/account").text
    removed = person.browser.post("/account/passkeys/remove", data=fields)
    browser = here.someone_else_at(person).browser

    assert named.headers["location"] == "/account?done=passkey-named"
    assert 'value="Phone"' in page
    assert removed.headers["location"] == "/account?done=passkey-removed"
    assert sign_in(browser, authenticator.get(request_options(browser))).status_code == 403


def test_nobody_names_or_removes_the_passkey_of_somebody_else(
    here: Any, person: Any, authenticator: Authenticator
) -> None:
    added(person, authenticator)
    other = here.person()
    other.sign_in("/login")
    fields = {"csrf_token": token(other.browser), "passkey": encoded(authenticator.credential_id)}

    other.browser.post("/account/passkeys/name", data={**fields, "new_name": "Mine"})
    other.browser.post("/account/passkeys/remove", data=fields)

    assert f'value="{NAME}"' in person.browser.get("/account").text


def test_only_somebody_who_signed_in_recently_changes_passkeys(
    engines: Engines, person: Any, authenticator: Authenticator
) -> None:
    added(person, authenticator)
    answer = authenticator.create(creation_options(person))
    fields = {"csrf_token": token(person.browser), "passkey": encoded(authenticator.credential_id)}
    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        long_ago = {"$set": {"auth_time": datetime.now(UTC) - timedelta(minutes=16)}}
        client.gateway.browser_sessions.update_many({"subject": person.subject}, long_ago)

    options = person.browser.post("/account/passkeys/options", data=fields)
    removed = person.browser.post("/account/passkeys/remove", data=fields)

    assert (options.status_code, options.json()["code"]) == (403, "sign_in_again")
    assert (add(person, answer).status_code, removed.status_code) == (403, 403)
    page = person.browser.get("/account").text
    assert NAME in page
    assert "Sign in again" in page
    assert "data-passkey" not in page


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\u202eb"])
def test_a_passkey_has_a_name(person: Any, authenticator: Authenticator, name: str) -> None:
    answer = add(person, authenticator.create(creation_options(person)), name)

    assert answer.status_code == 422
    assert "Enter a name of at most 60 characters" in answer.text


def test_a_credential_belongs_to_one_person(here: Any, person: Any, authenticator: Authenticator) -> None:
    added(person, authenticator)
    other = here.person()
    other.sign_in("/login")

    answer = add(other, authenticator.create(creation_options(other)))

    assert answer.status_code == 422


def test_without_a_name_in_the_address_there_are_no_passkeys(gateway: Any) -> None:
    person = gateway.person()
    page = person.browser.get("/login")
    answer = person.browser.post("/login/passkey/options", data={"csrf_token": token(person.browser, "/login")})

    assert "passkey" not in page.text
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "credential",
    ["", "x", "null", "[]", "{}", '{"response": 1}', '{"id": "a", "response": {"clientDataJSON": 7}}', "[" * 5000],
)
def test_what_is_no_credential_is_refused(here: Any, person: Any, credential: str) -> None:
    browser = here.person().browser

    assert sign_in(browser, credential).status_code == 403
    assert add(person, credential).status_code == 422


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), signature=st.binary(max_size=80))
def test_no_bytes_of_an_authenticator_are_an_error_of_ours(
    here: Any, person: Any, data: bytes, signature: bytes
) -> None:
    browser = person.browser
    options = request_options(browser)
    client_data = {"type": "webauthn.get", "challenge": options["challenge"], "origin": ORIGIN}
    response = {
        "clientDataJSON": encoded(json.dumps(client_data).encode()),
        "authenticatorData": encoded(data),
        "attestationObject": encoded(data),
        "signature": encoded(signature),
        "userHandle": encoded(data),
    }
    credential = json.dumps({"id": "eA", "rawId": "eA", "type": "public-key", "response": response})

    assert sign_in(browser, credential).status_code == 403
    creation = creation_options(person)
    made = {
        **response,
        "clientDataJSON": encoded(
            json.dumps({**client_data, "type": "webauthn.create", "challenge": creation["challenge"]}).encode()
        ),
    }
    assert (
        add(person, json.dumps({"id": "eA", "rawId": "eA", "type": "public-key", "response": made})).status_code == 422
    )


def test_options_are_only_for_forms_of_ours(here: Any, person: Any) -> None:
    for path in ("/login/passkey/options", "/account/passkeys/options", "/login/passkey", "/account/passkeys"):
        answer = person.browser.post(path, data={"csrf_token": "x", "credential": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forged_form"), path
