"""Two gateways of one installation: what one is told, the other knows within a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

API = "/enrolment/v1/applications/app_1"
CLIENTS = "/gateway/v1/clients"
#: A notice takes milliseconds; without one the database is asked each second.
SOON = 2.0


@dataclass
class Pair:
    """The same installation twice."""

    one: Any
    other: Any

    def status(self, bearer: dict[str, str]) -> int:
        return int(self.other.http.get(API, headers=bearer).status_code)


def eventually(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def a_pair(another_gateway: Any, **settings: Any) -> Pair:
    one = another_gateway(**settings)
    return Pair(one, another_gateway(public_url=one.url, **settings))


@pytest.fixture
def pair(another_gateway: Any) -> Pair:
    return a_pair(another_gateway)


@pytest.mark.parametrize("bus", [{}, {"nats_url": "nats://127.0.0.1:1"}], ids=["with the bus", "without it"])
def test_a_revoked_token_is_refused_by_the_other(another_gateway: Any, bus: dict[str, str]) -> None:
    pair = a_pair(another_gateway, **bus)
    client = pair.one.machine("enrolment.applications:read")
    token = pair.one.client_credentials(client).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert pair.status(bearer) == 200

    pair.one.http.post("/oauth/revoke", data={"token": token}, auth=client)

    assert eventually(lambda: pair.status(bearer) == 401)


def test_a_changed_client_is_known_to_the_other(pair: Pair) -> None:
    registrar = pair.one.registrar()
    client_id, old = pair.one.machine("enrolment.applications:read")
    assert pair.other.client_credentials((client_id, old)).status_code == 200

    new = pair.one.http.post(f"{CLIENTS}/{client_id}/secrets", headers=registrar).json()["client_secret"]
    assert eventually(lambda: pair.other.client_credentials((client_id, new)).status_code == 200)
    pair.one.http.delete(f"{CLIENTS}/{client_id}/secrets/{old[-4:]}", headers=registrar)
    assert eventually(lambda: pair.other.client_credentials((client_id, old)).status_code == 401)

    bearer = pair.one.bearer((client_id, new))
    assert pair.status(bearer) == 200
    pair.one.http.post(f"{CLIENTS}/{client_id}/disabling", headers=registrar)
    assert eventually(lambda: pair.status(bearer) == 401)
    assert pair.other.client_credentials((client_id, new)).status_code == 401


def test_a_new_signing_key_is_known_to_the_other_and_a_code_is_used_at_one(pair: Pair, helpers: Any) -> None:
    client = pair.one.machine("enrolment.applications:read")
    pair.one.http.post("/gateway/v1/signing-keys", json={"lead_seconds": 0}, headers=pair.one.registrar())
    bearer = pair.one.bearer(client)
    assert eventually(lambda: pair.status(bearer) == 200)

    app, person = pair.one.app(), pair.one.person()
    verifier, challenge = helpers.pkce()
    form = helpers.exchange(app, person.allow(app, challenge)["code"], verifier)
    answers = [gateway.http.post("/oauth/token", data=form) for gateway in (pair.one, pair.other)]
    assert [answer.status_code for answer in answers] == [200, 400]
