"""The key that signs tokens changes while everybody goes on."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gateway.oauth.keys import RETIRED_SECONDS, SigningKeys
from joserfc.jws import extract_compact

KEYS = "/gateway/v1/signing-keys"
API = "/enrolment/v1/applications/app_1"


def key_id_of(token: str) -> str:
    return str(extract_compact(token.encode()).headers()["kid"])


def test_keys_change_while_requests_run(another_gateway: Any) -> None:
    gateway = another_gateway()
    client, registrar = gateway.machine(), gateway.registrar()
    old = gateway.bearer(client)
    refused: list[str] = []
    signed_by: set[str] = set()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            issued = gateway.client_credentials(client)
            token = issued.json().get("access_token", "")
            signed_by.add(key_id_of(token))
            used = gateway.http.get(API, headers={"Authorization": f"Bearer {token}"})
            if (issued.status_code, used.status_code) != (200, 200):
                refused.append(f"{issued.text} {used.text}")

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for lead in (1, 0, 1):
        added = gateway.http.post(KEYS, json={"lead_seconds": lead}, headers=registrar)
        assert added.status_code == 201, added.text
        published = [key["kid"] for key in gateway.http.get("/oauth/jwks").json()["keys"]]
        assert added.json()["key_id"] in published
        time.sleep(1.3)
    over.set()
    for worker in workers:
        worker.join(20)

    assert refused == []
    assert len(signed_by) == 4
    assert gateway.http.get(API, headers=old).status_code == 200  # signed by the first key
    listed = gateway.http.get(KEYS, headers=registrar).json()
    assert [key["signs"] for key in listed] == [False, False, False, True]
    acts = gateway.http.get("/gateway/v1/audit?act=signing_key.added&limit=3", headers=registrar).json()["items"]
    assert [entry["subject"] for entry in acts] == [key["key_id"] for key in reversed(listed[1:])]


def test_a_key_that_leaked_is_withdrawn_with_its_tokens(another_gateway: Any) -> None:
    gateway = another_gateway()
    client, registrar = gateway.machine(), gateway.registrar()
    stolen = gateway.bearer(client)
    assert gateway.http.get(API, headers=stolen).status_code == 200
    leaked = gateway.http.get(KEYS, headers=registrar).json()[0]["key_id"]

    withdrawn = gateway.http.delete(f"{KEYS}/{leaked}", headers=registrar)

    assert withdrawn.status_code == 204
    assert leaked not in gateway.http.get("/oauth/jwks").text
    deadline = time.monotonic() + 5
    while gateway.http.get(API, headers=stolen).status_code != 401:
        assert time.monotonic() < deadline, "its tokens still open the API"
        time.sleep(0.1)
    assert gateway.http.get(API, headers=gateway.bearer(client)).status_code == 200
    newer = gateway.registrar()
    acts = gateway.http.get("/gateway/v1/audit?act=signing_key.removed&limit=1", headers=newer).json()["items"]
    assert (acts[0]["subject"], acts[0]["details"]) == (leaked, {"reason": "withdrawn"})
    again = gateway.http.delete(f"{KEYS}/{leaked}", headers=newer)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


def test_only_the_keeper_of_keys_changes_them(gateway: Any) -> None:
    stranger = gateway.bearer(gateway.machine())

    for method, path in (("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/any")):
        assert gateway.http.request(method, path, json={}, headers=stranger).status_code == 403
    refused = gateway.http.post(KEYS, json={"lead_seconds": -1}, headers=gateway.registrar())
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


@pytest.fixture
def moment() -> list[float]:
    return [1_800_000_000.0]


def test_a_key_signs_when_its_time_has_come_and_goes_when_no_token_needs_it(
    tmp_path: Path, moment: list[float]
) -> None:
    keys = SigningKeys(tmp_path, lambda: moment[0])
    first = keys.signing
    second = keys.add(600)

    assert keys.signing is not second
    assert [key["kid"] for key in keys.public()["keys"]] == [first.key_id, second.key_id]
    moment[0] += 600
    assert keys.signing.key_id == second.key_id
    assert keys.remove_retired() == []
    moment[0] += RETIRED_SECONDS
    assert [key.key_id for key in keys.remove_retired()] == [first.key_id]
    assert [key["kid"] for key in keys.public()["keys"]] == [second.key_id]


def test_another_replica_sees_a_new_key_and_makes_no_second_one(tmp_path: Path, moment: list[float]) -> None:
    one, other = (SigningKeys(tmp_path, lambda: moment[0]) for _ in range(2))

    added = one.add(60)
    other.reload()

    assert other.public() == one.public()
    assert added.key_id in str(other.public())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.glob("*.json"))


def test_replicas_that_start_on_an_empty_folder_at_once_have_one_key(tmp_path: Path) -> None:
    folder, replicas = tmp_path / "keys", 8
    together = threading.Barrier(replicas)

    def start(_number: int) -> dict[str, Any]:
        together.wait()
        return SigningKeys(folder).public()

    with ThreadPoolExecutor(replicas) as pool:
        published = list(pool.map(start, range(replicas)))

    assert len(published[0]["keys"]) == 1
    assert all(keys == published[0] for keys in published)
    assert [path.name for path in folder.iterdir()] == ["0001.json"]


def test_a_process_that_was_killed_while_it_made_a_key_holds_up_no_other(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    (tmp_path / f".{os.getpid()}.part").write_text("half a key", encoding="utf-8")

    added = keys.add(0)

    assert keys.signing is added


def test_a_key_that_is_added_in_the_same_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    one, other = (SigningKeys(tmp_path) for _ in range(2))
    times = (tmp_path.stat().st_atime_ns, tmp_path.stat().st_mtime_ns)

    one.add(60)
    os.utime(tmp_path, ns=times)
    other.reload()

    assert other.public() == one.public()
