"""Clients that register themselves (RFC 7591)."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, RSAKey

PATH = "/oauth/register"
INVITATIONS = "/gateway/v1/invitations"
OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/scope/"
READ = f"{OPEN_BADGES}credential.readonly"


def an_app(**changes: Any) -> dict[str, Any]:
    body = {
        "client_name": "A badge wallet",
        "client_uri": "https://wallet.example",
        "logo_uri": "https://wallet.example/logo.png",
        "tos_uri": "https://wallet.example/terms",
        "policy_uri": "https://wallet.example/privacy",
        "software_id": "b5d0",
        "software_version": "1",
        "redirect_uris": ["https://wallet.example/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": f"{READ} {OPEN_BADGES}profile.readonly",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def invitation(gateway: Any, **fields: Any) -> dict[str, str]:
    body = {"scopes": ["curriculum.catalogue:read", "enrolment.applications:read"], **fields}
    answer = gateway.http.post(INVITATIONS, json=body, headers=gateway.registrar())
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['initial_access_token']}"}


def a_machine(**changes: Any) -> dict[str, Any]:
    return {"client_name": "A platform", "grant_types": ["client_credentials"], "response_types": [], **changes}


def test_an_open_badges_app_registers_and_is_used_at_once(gateway: Any, helpers: Any) -> None:
    answer = gateway.http.post(PATH, json=an_app())

    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert made["client_secret"].startswith("cme_live_")
    assert (made["client_secret_expires_at"], made["scope"]) == (0, f"{READ} {OPEN_BADGES}profile.readonly")
    assert (made["client_name"], made["tos_uri"]) == ("A badge wallet", "https://wallet.example/terms")

    verifier, challenge = helpers.pkce()
    person = gateway.person()
    changes = {"redirect_uri": "https://wallet.example/callback", "scope": READ}
    code = person.allow(made["client_id"], challenge, **changes)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    auth = (made["client_id"], made["client_secret"])
    tokens = gateway.http.post("/oauth/token", data={**form, "redirect_uri": changes["redirect_uri"]}, auth=auth)
    assert (tokens.status_code, tokens.json()["scope"]) == (200, READ)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "enrolment.applications:read"}, "invalid_client_metadata"),
        ({"scope": f"{READ} operations:read"}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://wallet.example/callback"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://wallet.example/cb#part"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_client_metadata"),
        ({"redirect_uris": "https://wallet.example/callback"}, "invalid_redirect_uri"),
        ({"logo_uri": "http://wallet.example/logo.png"}, "invalid_client_metadata"),
        ({"jwks_uri": "https://wallet.example/jwks"}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["authorization_code", "password"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "invalid_client_metadata"),
        ({"client_name": "x" * 5000}, "invalid_client_metadata"),
    ],
)
def test_what_cannot_be_registered_is_told(gateway: Any, changes: dict[str, Any], error: str) -> None:
    answer = gateway.http.post(PATH, json=an_app(**changes))

    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


def test_what_is_no_object_is_refused(gateway: Any) -> None:
    for content in (b"[]", b'"text"', b"null", b"{", b'{"a":1,"a":2}', b"NaN"):
        answer = gateway.http.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 423, content


def test_an_invited_client_waits_for_approval(gateway: Any) -> None:
    headers = invitation(gateway)

    made = gateway.http.post(PATH, json=a_machine(), headers=headers)
    assert made.status_code == 201, made.text
    client = (made.json()["client_id"], made.json()["client_secret"])
    assert gateway.client_credentials(client).status_code == 401
    gateway.http.post(f"/gateway/v1/clients/{client[0]}/approval", headers=gateway.registrar())

    assert gateway.client_credentials(client).json()["scope"] == "enrolment.applications:read curriculum.catalogue:read"


def test_an_invitation_to_the_sandbox_needs_no_approval(gateway: Any) -> None:
    headers = invitation(gateway, sandbox=True, scopes=["curriculum.catalogue:read"])

    made = gateway.http.post(PATH, json=a_machine(), headers=headers).json()

    assert made["client_secret"].startswith("cme_test_")
    assert gateway.client_credentials((made["client_id"], made["client_secret"])).status_code == 200


def test_an_invitation_is_used_up(gateway: Any) -> None:
    headers = invitation(gateway, uses=2)

    answers = [gateway.http.post(PATH, json=a_machine(), headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 401]
    assert answers[2].json()["error"] == "invalid_token"
    assert answers[2].headers["www-authenticate"].startswith("Bearer")


def test_a_registration_that_was_refused_uses_nothing_up(gateway: Any) -> None:
    headers = invitation(gateway)

    refused = gateway.http.post(PATH, json=a_machine(scope="operations:write"), headers=headers)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
    assert gateway.http.post(PATH, json=a_machine(), headers=headers).status_code == 201


def test_garbage_instead_of_an_invitation_is_refused(gateway: Any) -> None:
    for header in ("Bearer garbage", "Bearer", "Basic abc"):
        answer = gateway.http.post(PATH, json=an_app(), headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_only_a_registrar_invites(gateway: Any) -> None:
    body = {"scopes": ["operations:read"]}

    assert gateway.http.post(INVITATIONS, json=body).status_code == 401
    assert gateway.http.post(INVITATIONS, json=body, headers=gateway.bearer(gateway.machine())).status_code == 403


def test_one_address_does_not_register_without_end(another_gateway: Any) -> None:
    gateway = another_gateway()

    answers = [gateway.http.post(PATH, json=an_app()) for _ in range(21)]

    assert [answer.status_code for answer in answers[:20]] == [201] * 20
    assert (answers[20].status_code, answers[20].headers["retry-after"]) == (429, "60")


def test_people_are_warned_of_an_app_that_nobody_checked(gateway: Any, helpers: Any) -> None:
    made = gateway.http.post(PATH, json=an_app()).json()
    asked = {"redirect_uri": "https://wallet.example/callback", "scope": READ}

    page = gateway.person().consent_page(made["client_id"], helpers.pkce()[1], **asked)
    known = gateway.person().consent_page(gateway.app(), helpers.pkce()[1])

    assert "Nobody here has checked this application" in page.text
    assert "Nobody here has checked" not in known.text


@pytest.mark.parametrize("client_id", ["per_01h455vb4pex5vsknk084sn02q", "org_x", "gnt_x", "system", "unknown"])
def test_no_client_is_named_like_a_person(gateway: Any, client_id: str) -> None:
    body = {
        "client_id": client_id,
        "name": "X",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scopes": ["operations:read"],
    }

    answer = gateway.http.post("/gateway/v1/clients", json=body, headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_weak_or_ambiguous_key_is_not_registered(gateway: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        weak = RSAKey.generate_key(1024, {"kid": "a"}).as_dict(private=False)
    twin = ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)
    body = {
        "name": "X",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scopes": ["operations:read"],
    }

    for keys in ([weak], [twin, twin], [ECKey.generate_key("P-256").as_dict(private=True)], []):
        sent = {**body, "jwks": {"keys": keys}}
        answer = gateway.http.post("/gateway/v1/clients", json=sent, headers=gateway.registrar())
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("name", ["pay\u202egnp.exe", "a\nb", "\u200b\u200b", "a\u0085b", "Bank\u2066"])
def test_a_name_that_hides_or_turns_what_people_read_is_not_registered(gateway: Any, name: str) -> None:
    answer = gateway.http.post(PATH, json=an_app(client_name=name), headers=invitation(gateway))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_a_name_is_shown_and_never_becomes_a_part_of_the_page(gateway: Any, helpers: Any) -> None:
    made = gateway.http.post(PATH, json=an_app(client_name="<script>alert(1)</script>")).json()
    asked = {"redirect_uri": "https://wallet.example/callback", "scope": READ}

    page = gateway.person().consent_page(made["client_id"], helpers.pkce()[1], **asked)

    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
