"""The trail while many act at once, in two processes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def test_acts_at_once_make_one_chain_and_one_line_each(gateway_process: Any, gateway: Any, tmp_path: Path) -> None:
    registrars = [(one, one.registrar()) for one in (gateway_process, gateway)]

    def register(number: int) -> int:
        one, registrar = registrars[number % 2]
        body = {
            "name": "A client of many",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scopes": ["operations:read"],
        }
        return int(one.http.post("/gateway/v1/clients", json=body, headers=registrar).status_code)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(register, range(24)))

    assert set(statuses) == {201}
    query = {"act": "client.registered", "limit": 24}
    found = gateway.http.get("/gateway/v1/audit", params=query, headers=registrars[1][1]).json()["items"]
    assert len({entry["number"] for entry in found}) == 24
    lines = [json.loads(line) for line in (tmp_path / "gateway.log").read_text(encoding="utf-8").splitlines()]
    told = [(line["number"], line["hash"]) for line in lines if line["event"] == "audit"]
    assert len(told) == len(set(told)) >= 12
    # Only what is in the trail is in the log, although some transactions lost and began again.
    entries = {entry["number"]: entry["hash"] for entry in found}
    assert all(entries.get(number, hash_) == hash_ for number, hash_ in told)
