"""Bodies that no page of ours would send: each is refused, none is an error of ours."""

from __future__ import annotations

from typing import Any

import pytest

from .people import hidden

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PATHS = (
    "/login",
    "/logout",
    "/login/passkey",
    "/login/passkey/options",
    "/login/first",
    "/signup",
    "/signup/confirm",
    "/password",
    "/password/new",
    "/account/profile",
    "/account/password",
    "/account/sessions",
    "/account/other-sessions",
    "/account/consents",
    "/account/passkeys",
    "/account/passkeys/name",
    "/account/passkeys/remove",
    "/account/links/unlink",
    "/account/links/nobody",
)
FIELDS = (
    *("username", "password", "email", "display_name", "organisation_name", "language", "new_password", "link"),
    *("current_password", "return_to", "session", "client", "credential", "passkey", "passkey_name", "new_name"),
    *("issuer", "sub"),
)
VALUES: dict[str, bytes] = {
    "bytes that are no text": b"%FF%FE%80",
    "half a pair of surrogates": b"%ED%A0%80",
    "nothing": b"%00",
    "line breaks": b"a%0D%0ASet-Cookie:%20x%3D1",
    "too much": b"x" * 20_000,
    "an operator": b'{"$gt":""}',
    "a number": b"1e999",
    "a turn": b"%E2%80%AE",
    "a bad escape": b"%zz%",
}


@pytest.fixture
def person(gateway: Any) -> Any:
    person = gateway.person()
    person.sign_in("/login")
    return person


BODIES: tuple[tuple[str, bytes], ...] = (
    (FORM, b"&".join(b"a=1" for _ in range(2000))),
    (FORM, b"csrf_token=a&csrf_token=b"),
    (FORM, b"\xff\xfe"),
    ("application/json", b'{"username": {"$gt": ""}}'),
    (MULTIPART, b'--x\r\nContent-Disposition: form-data; name="csrf_token"; filename="x"\r\n\r\nx\r\n--x--'),
    (MULTIPART, b"--x\r\nContent-Disposition: form-data\r\n\r\nx"),
    ("multipart/form-data", b"--x"),
    ("text/plain", b"csrf_token=x"),
)


@pytest.mark.parametrize("path", PATHS)
def test_odd_values_are_refused(person: Any, path: str) -> None:
    token = hidden(person.browser.get("/account"))["csrf_token"]

    for name, value in VALUES.items():
        fields = b"".join(f"&{field}=".encode() + value for field in FIELDS)
        body = f"csrf_token={token}".encode() + fields
        answer = person.browser.post(path, content=body, headers={"Content-Type": FORM})
        assert answer.status_code < 500, (name, answer.text)
        assert "x=1" not in answer.headers.get("set-cookie", ""), name


@pytest.mark.parametrize("path", PATHS)
def test_odd_bodies_are_refused(person: Any, path: str) -> None:
    for media_type, body in BODIES:
        answer = person.browser.post(path, content=body, headers={"Content-Type": media_type})
        assert 400 <= answer.status_code < 500, (media_type, body[:40], answer.text)
