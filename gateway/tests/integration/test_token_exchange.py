"""A token for less than one has (RFC 8693)."""

from __future__ import annotations

from typing import Any

import pytest

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
API = "/enrolment/v1/applications/app_1"


class Holder:
    """A client that may exchange, with a token."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        made = gateway.register(grant_types=["client_credentials", EXCHANGE])
        self.auth = (made["client_id"], made["client_secret"])
        self.token: str = gateway.client_credentials(self.auth).json()["access_token"]

    def exchange(self, **changes: str) -> Any:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": self.token,
            "subject_token_type": ACCESS_TOKEN,
            "scope": "operations:read",
            **changes,
        }
        form = {name: value for name, value in form.items() if value}
        return self.gateway.http.post("/oauth/token", data=form, auth=self.auth)


@pytest.fixture
def holder(gateway: Any) -> Holder:
    return Holder(gateway)


def test_a_token_is_narrowed(holder: Holder, gateway: Any) -> None:
    answer = holder.exchange()

    assert (answer.status_code, answer.json()["scope"]) == (200, "operations:read")
    assert answer.json()["issued_token_type"] == ACCESS_TOKEN
    assert 0 < answer.json()["expires_in"] <= 600


def test_a_narrowed_token_ends_with_the_one_it_came_of(holder: Holder, gateway: Any) -> None:
    narrow = holder.exchange(scope="enrolment.applications:read").json()["access_token"]
    header = {"Authorization": f"Bearer {narrow}"}
    assert gateway.http.get(API, headers=header).status_code == 200

    gateway.http.post("/oauth/revoke", data={"token": holder.token}, auth=holder.auth)

    assert gateway.http.get(API, headers=header).status_code == 401
    assert holder.exchange().json()["error"] == "invalid_request"


def test_a_token_narrowed_twice_ends_with_each_that_it_came_of(holder: Holder, gateway: Any) -> None:
    once = holder.exchange(scope="enrolment.applications:read").json()["access_token"]
    twice = holder.exchange(subject_token=once, scope="enrolment.applications:read").json()["access_token"]
    bearers = [{"Authorization": f"Bearer {token}"} for token in (holder.token, once, twice)]

    gateway.http.post("/oauth/revoke", data={"token": once}, auth=holder.auth)

    assert [gateway.http.get(API, headers=header).status_code for header in bearers] == [200, 401, 401]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "operations:write"}, "invalid_scope"),
        ({"scope": "operations:read enrolment.calls:write"}, "invalid_scope"),
        ({"scope": ""}, "invalid_request"),
        ({"subject_token": "garbage"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "somebody"}, "invalid_request"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"audience": "https://elsewhere.example"}, "invalid_target"),
    ],
)
def test_a_token_is_never_widened_or_turned_into_something_else(
    holder: Holder, changes: dict[str, str], error: str
) -> None:
    answer = holder.exchange(**changes)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_nobody_narrows_another_clients_token(holder: Holder, gateway: Any) -> None:
    foreign = gateway.client_credentials(gateway.machine()).json()["access_token"]

    assert holder.exchange(subject_token=foreign).json()["error"] == "invalid_request"


def test_a_client_without_the_grant_exchanges_nothing(gateway: Any) -> None:
    client = gateway.machine()
    form = {
        "grant_type": EXCHANGE,
        "subject_token": "x",
        "subject_token_type": ACCESS_TOKEN,
        "scope": "operations:read",
    }

    answer = gateway.http.post("/oauth/token", data=form, auth=client)

    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
