"""Secrets that overlap, clients that are approved, disabled and removed, and the trail of it all."""

from __future__ import annotations

from typing import Any

CLIENTS = "/gateway/v1/clients"
READ = "curriculum.catalogue:read"


def test_two_secrets_hold_until_one_is_removed(gateway: Any) -> None:
    registrar = gateway.registrar()
    client_id, first = gateway.machine(READ)

    added = gateway.http.post(f"{CLIENTS}/{client_id}/secrets", headers=registrar)
    assert added.status_code == 201, added.text
    second = added.json()["client_secret"]
    assert [gateway.client_credentials((client_id, s)).status_code for s in (first, second)] == [200, 200]

    third = gateway.http.post(f"{CLIENTS}/{client_id}/secrets", headers=registrar)
    assert (third.status_code, third.json()["code"]) == (409, "too_many_secrets")

    removed = gateway.http.delete(f"{CLIENTS}/{client_id}/secrets/{first[-4:]}", headers=registrar)
    assert removed.status_code == 204
    assert [gateway.client_credentials((client_id, s)).status_code for s in (first, second)] == [401, 200]

    last = gateway.http.delete(f"{CLIENTS}/{client_id}/secrets/{second[-4:]}", headers=registrar)
    assert (last.status_code, last.json()["code"]) == (409, "last_secret")


def test_a_repeated_request_adds_one_secret(gateway: Any) -> None:
    client_id, _ = gateway.machine(READ)
    headers = gateway.registrar() | {"Idempotency-Key": f"a secret for {client_id}".replace(" ", "-")}

    first, again = (gateway.http.post(f"{CLIENTS}/{client_id}/secrets", headers=headers) for _ in range(2))

    assert first.json() == again.json()
    listed = gateway.http.get(f"{CLIENTS}?limit=500", headers=headers).json()["items"]
    client = next(item for item in listed if item["client_id"] == client_id)
    assert len(client["secrets"]) == 2


def test_a_disabled_client_gets_no_tokens_and_its_old_ones_are_refused(gateway: Any) -> None:
    registrar = gateway.registrar()
    client = gateway.machine(READ)
    bearer = gateway.bearer(client)
    assert gateway.http.get("/curriculum/v1/changes", headers=bearer).status_code == 200

    disabled = gateway.http.post(f"{CLIENTS}/{client[0]}/disabling", headers=registrar)

    assert disabled.json()["status"] == "disabled"
    refused = gateway.client_credentials(client)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert gateway.http.get("/curriculum/v1/changes", headers=bearer).json()["code"] == "invalid_token"

    gateway.http.post(f"{CLIENTS}/{client[0]}/approval", headers=registrar)
    assert gateway.client_credentials(client).status_code == 200


def test_a_removed_client_is_gone(gateway: Any) -> None:
    registrar = gateway.registrar()
    client = gateway.machine(READ)
    bearer = gateway.bearer(client)

    assert gateway.http.delete(f"{CLIENTS}/{client[0]}", headers=registrar).status_code == 204

    assert gateway.client_credentials(client).status_code == 401
    assert gateway.http.get("/curriculum/v1/changes", headers=bearer).status_code == 401
    listed = gateway.http.get(f"{CLIENTS}?limit=500", headers=registrar).json()["items"]
    assert client[0] not in [item["client_id"] for item in listed]
    for path in (f"{CLIENTS}/{client[0]}", f"{CLIENTS}/{client[0]}/secrets/abcd"):
        assert gateway.http.delete(path, headers=registrar).status_code == 404
    assert gateway.http.post(f"{CLIENTS}/{client[0]}/approval", headers=registrar).status_code == 404


def test_the_trail_tells_who_did_what_to_a_client(gateway: Any, helpers: Any) -> None:
    registrar = gateway.registrar()
    client_id, secret = gateway.machine(READ)
    gateway.http.post(f"{CLIENTS}/{client_id}/secrets", headers=registrar)
    gateway.http.delete(f"{CLIENTS}/{client_id}/secrets/{secret[-4:]}", headers=registrar)
    gateway.http.delete(f"{CLIENTS}/{client_id}", headers=registrar)

    answer = gateway.http.get("/gateway/v1/audit", params={"subject": client_id}, headers=registrar)

    acts = [entry["act"] for entry in answer.json()["items"]]
    assert acts == ["client.removed", "client.secret_removed", "client.secret_added", "client.registered"]
    assert {entry["actor"] for entry in answer.json()["items"]} == {helpers.bootstrap[0]}
    assert secret not in answer.text


def test_only_an_auditor_reads_the_trail_page_by_page(gateway: Any, helpers: Any) -> None:
    registrar = gateway.registrar()
    gateway.machine(READ), gateway.machine(READ)
    stranger = gateway.bearer(gateway.machine(READ))

    assert gateway.http.get("/gateway/v1/audit", headers=stranger).status_code == 403
    first = gateway.http.get("/gateway/v1/audit?limit=1", headers=registrar).json()
    second = gateway.http.get(f"/gateway/v1/audit?limit=1&after={first['next']}", headers=registrar).json()
    assert second["items"][0]["hash"] == first["items"][0]["previous"]
    of_the_registrar = f"/gateway/v1/audit?limit=1&actor={helpers.bootstrap[0]}"
    first = gateway.http.get(of_the_registrar, headers=registrar).json()
    second = gateway.http.get(f"{of_the_registrar}&after={first['next']}", headers=registrar).json()
    assert 0 < second["items"][0]["number"] < first["items"][0]["number"]
    assert gateway.http.get("/gateway/v1/audit?after=x", headers=registrar).status_code == 422


def test_the_gateways_own_api_refuses_the_tokens_that_the_edge_refuses(gateway: Any) -> None:
    client = gateway.machine("gateway.clients:write")

    def status(token: str) -> int:
        return int(gateway.http.get(f"{CLIENTS}?limit=1", headers={"Authorization": f"Bearer {token}"}).status_code)

    revoked, left = (gateway.client_credentials(client).json()["access_token"] for _ in range(2))
    assert (status(revoked), status(left)) == (200, 200)

    gateway.http.post("/oauth/revoke", data={"token": revoked}, auth=client)
    assert (status(revoked), status(left)) == (401, 200)

    gateway.http.post(f"{CLIENTS}/{client[0]}/disabling", headers=gateway.registrar())
    assert status(left) == 401


def test_what_is_ended_already_is_not_ended_again(gateway: Any) -> None:
    client = gateway.machine()
    token = gateway.client_credentials(client).json()["access_token"]

    answers = [gateway.http.post("/oauth/revoke", data={"token": token}, auth=client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    found = gateway.http.get("/gateway/v1/audit", params={"actor": client[0]}, headers=gateway.registrar())
    assert [entry["act"] for entry in found.json()["items"]] == ["token.revoked"]
