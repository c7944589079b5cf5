"""Authorization requests that are refused, and how each is told."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import urlsplit

import pytest
from authlib.deprecate import AuthlibDeprecationWarning

with warnings.catch_warnings():
    # It asks for httpx2, a package that nothing else here needs.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)


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
    answer = gateway.person().consent_page(gateway.app(), helpers.pkce()[1], **changes)

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
    answer = gateway.person().consent_page(gateway.app(), helpers.pkce()[1], **changes)

    told = helpers.answer_of(answer)
    assert answer.status_code == 303
    assert (told["error"], told["state"], told["iss"]) == (error, "a state", gateway.url)
    assert urlsplit(answer.headers["location"]).fragment == ""


@pytest.mark.parametrize("changes", [{"scope": "root"}, {"response_type": "token"}, {"code_challenge": ""}])
def test_nobody_is_sent_to_a_client_by_an_error_before_signing_in(
    gateway: Any, helpers: Any, changes: dict[str, str]
) -> None:
    answer = gateway.person().authorize(gateway.app(), helpers.pkce()[1], **changes)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?return_to=")


def test_a_client_that_asks_nobody_is_told_at_once(gateway: Any, helpers: Any) -> None:
    answer = gateway.person().authorize(gateway.app(), helpers.pkce()[1], scope="root", prompt="none")

    assert helpers.answer_of(answer)["error"] == "invalid_scope"


def test_other_origins_cannot_read_the_authorization_endpoint(gateway: Any, helpers: Any) -> None:
    answer = gateway.http.get("/oauth/authorize", headers={"Origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("challenge", "accepted"),
    [("a" * 42, False), ("a" * 43, True), ("a" * 128, True), ("a" * 129, False), ("a" * 42 + "!", False)],
)
def test_a_challenge_has_the_length_and_characters_of_rfc_7636(gateway: Any, challenge: str, accepted: bool) -> None:
    answer = gateway.person().consent_page(gateway.app(), challenge)

    told = answer.headers.get("location", "")
    assert (answer.status_code, "error=invalid_request" in told) == ((200, False) if accepted else (303, True))


def test_a_request_that_fits_into_no_address_is_told_so_at_once(gateway: Any, helpers: Any) -> None:
    form = {
        "response_type": "code",
        "client_id": gateway.app(),
        "redirect_uri": helpers.callback,
        "code_challenge": helpers.pkce()[1],
        "code_challenge_method": "S256",
    }
    nobody = gateway.nobody()

    assert nobody.post("/oauth/authorize", data={**form, "state": "s" * 2000}).status_code == 303
    refused = nobody.post("/oauth/authorize", data={**form, "state": "s" * 20_000})
    assert (refused.status_code, "too long" in refused.text) == (400, True)
