"""The partner portal's first page, its applications and their secrets: what works, and what nobody else sees."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from .developers import code, developer, form, shown

NEW = "/portal/applications/new"


def made(someone: Any, kind: str = "system", **fields: Any) -> Any:
    """The answer to the form of a new application."""
    page = f"{NEW}?kind={kind}"
    values = {"name": "Enrolment sync", "scope": ["enrolment.organisations:read"], **fields}
    return someone.person.browser.post(page, data={**form(someone.get(page), page), **values})


def place(answer: Any) -> str:
    """The address of the application that a page shows the credentials of."""
    return f"/portal/applications/{shown(answer)[0]}"


def public_key() -> dict[str, Any]:
    return dict(ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"}).as_dict(private=False))


def test_whoever_is_not_signed_in_signs_in_and_comes_back(gateway: Any) -> None:
    person = gateway.person("developer")

    first = person.browser.get("/portal")
    back = person.sign_in(first.headers["location"])

    assert first.status_code == 303
    assert back.headers["location"] == "/portal"


def test_the_lines_that_are_shown_work_as_pasted(gateway: Any, echo: Any) -> None:
    someone = developer(gateway)
    page = someone.send("/portal", "/portal/sandbox")

    done = subprocess.run(["/bin/sh", "-c", code(page)[0]], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["target"] == "/enrolment/v1/organisations"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_the_secret_is_in_that_answer_and_nowhere_else(gateway: Any) -> None:
    someone = developer(gateway)

    client_id, secret = someone.credentials()

    for path in ("/portal", f"/portal/applications/{client_id}", f"/portal/applications/{client_id}/secrets"):
        page = someone.get(path)
        assert page.status_code == 200
        assert secret not in page.text
        assert secret not in str(page.url)
    assert f"…{secret[-4:]}" in someone.get(f"/portal/applications/{client_id}/secrets").text


def test_an_answer_that_is_reloaded_shows_the_same_and_makes_nothing_more(gateway: Any) -> None:
    someone = developer(gateway)
    fields = form(someone.get(), "/portal/sandbox")

    answers = [someone.person.browser.post("/portal/sandbox", data=fields) for _ in range(2)]

    assert shown(answers[0]) == shown(answers[1])
    assert someone.get().text.count('href="/portal/applications/test_') == 1


def test_a_token_opens_the_sandbox_and_nothing_else(gateway: Any) -> None:
    credentials = developer(gateway).credentials()
    headers = gateway.bearer(credentials)

    inside = gateway.http.get("/sandbox/enrolment/v1/organisations", headers=headers)
    outside = gateway.http.get("/enrolment/v1/organisations", headers=headers)

    assert inside.status_code == 200
    assert outside.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/secrets"),
        ("POST", ""),
        ("POST", "/live"),
        ("POST", "/removal"),
        ("POST", "/secrets"),
        ("POST", "/secrets/removal"),
    ],
)
def test_anothers_application_is_an_unknown_one(gateway: Any, method: str, path: str) -> None:
    owner, other = developer(gateway), developer(gateway)
    client_id, secret = owner.credentials()
    token = form(other.get(), "/portal/sandbox")["csrf_token"]
    data = {"csrf_token": token, "name": "Mine now", "scope": "gateway.webhooks:write", "hint": secret[-4:]}
    sent = {"data": data} if method == "POST" else {}

    foreign = other.person.browser.request(method, f"/portal/applications/{client_id}{path}", **sent)
    unknown = other.person.browser.request(method, f"/portal/applications/test_0{path}", **sent)

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.text.replace(client_id, "test_0") == unknown.text
    assert "My first application" in owner.get().text
    assert gateway.client_credentials((client_id, secret)).status_code == 200


@pytest.mark.parametrize("path", ["/portal/sandbox", NEW, "/portal/requests", "/portal/applications/{id}/secrets"])
def test_a_form_of_another_site_changes_nothing(gateway: Any, path: str) -> None:
    someone = developer(gateway)
    client_id, _ = someone.credentials()
    before = someone.get().text.count("/portal/applications/test_")

    answer = someone.person.browser.post(
        path.format(id=client_id), data={"csrf_token": "x" * 43, "kind": "system", "client": "x", "decision": "approve"}
    )

    assert answer.status_code == 403
    assert "This form is too old." in answer.text
    assert someone.get().text.count("/portal/applications/test_") == before


def test_an_application_for_people_is_made_with_what_it_needs(gateway: Any) -> None:
    someone = developer(gateway)

    page = made(
        someone,
        "app",
        redirect_uris="https://partner.example/callback\n http://127.0.0.1/callback \n",
        origins="https://partner.example",
        scope=["openid", "profile", "enrolment.applications:read"],
    )

    assert page.status_code == 200
    assert "PKCE protects" in page.text
    home = someone.get().text
    assert "PKCE, no secret" in home
    client_id = home.split("/portal/applications/test_")[1].partition('"')[0]
    settings = someone.get(f"/portal/applications/test_{client_id}").text
    assert "https://partner.example/callback\nhttp://127.0.0.1/callback" in settings
    assert 'value="openid" checked' in settings
    # What is for systems alone is not given to an application for people.
    assert "enrolment.applications:read" not in settings


def test_an_application_with_keys_signs_its_requests(gateway: Any) -> None:
    someone = developer(gateway)

    page = made(someone, "web", redirect_uris="https://p.example/cb", scope="openid", jwks=json.dumps(public_key()))

    assert page.status_code == 200
    assert "proves who it is with its keys" in page.text
    assert "Its own keys" in someone.get().text


def test_a_fapi_application_is_made_with_keys(gateway: Any) -> None:
    someone = developer(gateway)
    keys = json.dumps({"keys": [public_key()]})

    page = made(someone, "web", redirect_uris="https://p.example/cb", scope="openid", jwks=keys, fapi="true")

    assert page.status_code == 200
    client_id = someone.get().text.split("/portal/applications/test_")[1].partition('"')[0]
    assert 'name="fapi" value="true" checked' in someone.get(f"/portal/applications/test_{client_id}").text


@pytest.mark.parametrize(
    ("kind", "fields", "field", "told"),
    [
        ("system", {"name": "  "}, "name", "Enter a name"),
        ("system", {"name": "x" * 101}, "name", "at most 100"),
        ("system", {"name": "Ona\u202eanO"}, "name", "Enter a name"),
        ("system", {"scope": []}, "scopes", "Choose at least one permission."),
        ("system", {"scope": "gateway.clients:write"}, "scopes", "Choose at least one permission."),
        ("app", {"scope": "openid"}, "redirect_uris", "at least one address"),
        ("app", {"redirect_uris": "http://partner.example/cb"}, "redirect_uris", "with https"),
        ("app", {"redirect_uris": "https://p.example/cb#x"}, "redirect_uris", "with https"),
        ("app", {"redirect_uris": "\n".join(f"https://p.example/{n}" for n in range(11))}, "redirect_uris", "10"),
        ("system", {"origins": "https://p.example/path"}, "origins", "without a path"),
        ("system", {"origins": "*"}, "origins", "without a path"),
        ("system", {"jwks": "no JSON"}, "jwks", "JWK Set"),
        ("system", {"jwks": '{"keys": []}'}, "jwks", "JWK Set"),
        ("system", {"jwks": "[" * 5000}, "jwks", "JWK Set"),
        ("system", {"jwks": '{"keys": [{"kty": "oct", "k": "AAAA"}]}'}, "jwks", "private part"),
        ("web", {"redirect_uris": "https://p.example/cb", "scope": "openid", "fapi": "true"}, "jwks", "public keys"),
    ],
)
def test_what_is_wrong_with_an_application_stands_at_its_field(
    gateway: Any, kind: str, fields: dict[str, Any], field: str, told: str
) -> None:
    someone = developer(gateway)

    page = made(someone, kind, **({"scope": "openid"} if kind == "app" else {}) | fields)

    assert page.status_code == 422
    assert "<title>Error: " in page.text
    assert f'<a href="#{field}">' in page.text
    assert told in page.text
    assert "/portal/applications/test_" not in someone.get().text


def test_what_was_typed_stays_in_a_form_with_errors(gateway: Any) -> None:
    page = made(developer(gateway), "app", name="My <app>", redirect_uris="ftp://x", origins="https://p.example")

    assert 'value="My &lt;app&gt;"' in page.text
    assert "ftp://x</textarea>" in page.text
    assert "https://p.example</textarea>" in page.text


def test_a_person_has_at_most_twenty_applications(gateway: Any) -> None:
    someone = developer(gateway)
    fields = form(someone.get(), "/portal/sandbox")
    for number in range(20):
        sent = {**fields, "once": f"the form with the number {number:03d}".replace(" ", "-")}
        assert someone.person.browser.post("/portal/sandbox", data=sent).status_code == 200

    refused = someone.send("/portal", "/portal/sandbox")

    assert refused.status_code == 409
    assert "You have 20 applications" in refused.text
    assert someone.get().text.count('href="/portal/applications/test_') == 20


def test_the_limit_holds_when_many_forms_come_at_once(gateway: Any) -> None:
    someone = developer(gateway)
    fields = form(someone.get(), "/portal/sandbox")
    cookies = dict(someone.person.browser.cookies)

    def send(number: int) -> int:
        sent = {**fields, "once": f"one-of-many-forms-at-once-{number:03d}"}
        return httpx.post(f"{gateway.url}/portal/sandbox", data=sent, cookies=cookies, timeout=60).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(28)))

    assert (statuses.count(200), statuses.count(409)) == (20, 8)
    assert someone.get().text.count('href="/portal/applications/test_') == 20


def test_a_form_that_is_sent_twice_at_once_makes_one_application(gateway: Any) -> None:
    someone = developer(gateway)
    fields = form(someone.get(), "/portal/sandbox")
    cookies = dict(someone.person.browser.cookies)

    with ThreadPoolExecutor(4) as pool:
        pages = list(
            pool.map(
                lambda _: httpx.post(f"{gateway.url}/portal/sandbox", data=fields, cookies=cookies, timeout=60),
                range(4),
            )
        )

    assert len({shown(page) for page in pages}) == 1
    assert someone.get().text.count('href="/portal/applications/test_') == 1


def test_an_application_of_the_sandbox_is_changed(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, secret = someone.credentials()
    path = f"/portal/applications/{client_id}"

    answer = someone.send(path, path, name="Renamed", scope="curriculum.catalogue:read", origins="https://p.example")

    assert answer.headers["location"] == f"{path}?done=saved"
    page = someone.get(answer.headers["location"])
    assert "Your changes were saved." in page.text
    assert 'value="Renamed"' in page.text
    granted = gateway.client_credentials((client_id, secret)).json()["scope"]
    assert granted == "curriculum.catalogue:read"


def test_keys_take_the_place_of_secrets(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, secret = someone.credentials()
    path = f"/portal/applications/{client_id}"

    someone.send(path, path, name="Keys", scope="curriculum.catalogue:read", jwks=json.dumps(public_key()))

    assert gateway.client_credentials((client_id, secret)).status_code == 401
    assert "with its keys" in someone.get(f"{path}/secrets").text


def test_secrets_overlap_and_the_old_one_is_removed(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, old = someone.credentials()
    path = f"/portal/applications/{client_id}/secrets"

    _, new = shown(someone.send(path, path))

    assert gateway.client_credentials((client_id, old)).status_code == 200
    assert gateway.client_credentials((client_id, new)).status_code == 200
    page = someone.get(path).text
    assert f"…{old[-4:]}" in page
    assert f"…{new[-4:]}" in page
    assert "Add the next secret" not in page
    removed = someone.send(path, f"{path}/removal", hint=old[-4:])
    assert removed.headers["location"] == f"{path}?done=secret-removed"
    assert gateway.client_credentials((client_id, old)).status_code == 401
    assert gateway.client_credentials((client_id, new)).status_code == 200


def test_a_third_secret_and_the_removal_of_the_only_one_are_refused(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, secret = someone.credentials()
    path = f"/portal/applications/{client_id}/secrets"
    fields = form(someone.get(path), path)

    last = someone.person.browser.post(f"{path}/removal", data={**fields, "hint": secret[-4:]})
    someone.person.browser.post(path, data=fields)
    third = someone.person.browser.post(path, data={**fields, "once": "another-form-of-this-page"})

    assert (last.status_code, third.status_code) == (409, 409)
    assert gateway.client_credentials((client_id, secret)).status_code == 200


def test_an_application_is_removed_with_its_tokens(gateway: Any) -> None:
    someone = developer(gateway)
    client_id, secret = someone.credentials()
    headers = gateway.bearer((client_id, secret))
    path = f"/portal/applications/{client_id}"

    answer = someone.send(path, f"{path}/removal")

    assert answer.headers["location"] == "/portal?done=removed"
    assert client_id not in someone.get().text
    assert someone.get(path).status_code == 404
    assert gateway.http.get("/sandbox/enrolment/v1/organisations", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/portal/sandbox", "/portal/applications", "/portal/applications/{id}/live"])
def test_the_address_of_a_form_leads_to_its_page(gateway: Any, path: str) -> None:
    someone = developer(gateway)
    client_id, _ = someone.credentials()

    answer = someone.get(path.format(id=client_id), lang="sv")

    assert answer.status_code == 303
    assert someone.get(answer.headers["location"]).status_code == 200


@pytest.mark.parametrize("language", ["sv", "fi", "lt", "de"])
def test_the_portal_speaks_the_persons_language(gateway: Any, language: str) -> None:
    someone = developer(gateway)

    page = someone.get("/portal", lang=language)

    assert f'<html lang="{language}">' in page.text
    assert "Your first call" not in page.text
