"""What a gateway process writes to its log (OWASP ASVS 5.0, V16)."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from gateway.clients.service import Clients
from gateway.oauth.inspection import Inspection
from structlog.testing import CapturingLogger

GRANT = {"grant_type": "client_credentials"}
API = "/enrolment/v1/applications/app_1"


def lines_of(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "gateway.log").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def log(gateway_process: Any, tmp_path: Path) -> Any:
    return lambda: lines_of(tmp_path)


def test_a_line_says_when_where_and_in_which_trace(gateway_process: Any, log: Any) -> None:
    answer = gateway_process.http.get(API)

    refused = next(line for line in log() if line["event"] == "refused")
    assert datetime.fromisoformat(refused["timestamp"]).utcoffset() == timedelta(0)
    assert (refused["level"], refused["status"], refused["code"]) == ("info", 401, answer.json()["code"])
    assert re.fullmatch("[0-9a-f]{32}", refused["trace_id"])
    assert refused["trace_id"] == answer.json()["trace_id"]


def test_no_secret_of_a_grant_is_in_the_log(gateway_process: Any, log: Any, tmp_path: Path, helpers: Any) -> None:
    gateway = gateway_process
    client_id, secret = gateway.machine()
    token = gateway.client_credentials((client_id, secret)).json()["access_token"]
    gateway.client_credentials((client_id, "a-wrong-secret-of-somebody"))
    gateway.http.get(f"{API}?key=in-the-query", headers={"Authorization": f"Bearer {token}x"})
    person, app = gateway.person(), gateway.app()
    tokens = person.tokens(app)
    person.browser.post("/login", data=person.login_form(person.browser.get("/login"), password="a wrong password"))

    text = (tmp_path / "gateway.log").read_text(encoding="utf-8")
    assert "refused" in text
    for kept_out in (
        *(secret, token, "a-wrong-secret-of-somebody", "in-the-query", "a wrong password"),
        *(person.password, person.username, tokens["access_token"], tokens["refresh_token"]),
        helpers.bootstrap[1],
    ):
        assert kept_out not in text


def test_a_refused_client_is_entered_once_a_minute_and_leaves_a_line_each_time(gateway_process: Any, log: Any) -> None:
    gateway = gateway_process
    client_id, _ = gateway.machine()

    for _ in range(5):
        assert gateway.client_credentials((client_id, "wrong")).status_code == 401
    found = gateway.http.get(
        "/gateway/v1/audit", params={"act": "client.authentication_failed"}, headers=gateway.registrar()
    ).json()["items"]

    assert [entry["subject"] for entry in found].count(client_id) == 1
    lines = [line for line in log() if (line["event"], line.get("path")) == ("refused", "/oauth/token")]
    assert [(line["status"], line["code"]) for line in lines] == [(401, "invalid_client")] * 5
    assert len({line["trace_id"] for line in lines}) == 5


def test_what_a_caller_sends_makes_no_line_of_its_own(gateway_process: Any, log: Any) -> None:
    forged = '\r\n{"event": "forged", "level": "info"}\r\n'

    gateway_process.http.post("/oauth/token", data={**GRANT, "client_id": forged, "scope": forged})
    gateway_process.http.get(
        "/enrolment/v1/calls", params={"x": forged}, headers={"Authorization": 'Bearer "\u00e9"'.encode("latin-1")}
    )
    gateway_process.http.post("/oauth/register", json={"client_name": forged, "redirect_uris": [forged]})

    assert "forged" not in [line["event"] for line in log()]


async def fails(*_arguments: Any, **_more: Any) -> Any:
    raise RuntimeError("a secret detail")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lines that a module of a gateway in this process writes from now on."""

    def begin(module: str) -> Any:
        logger = CapturingLogger()
        monkeypatch.setattr(f"{module}.log", structlog.wrap_logger(logger))
        return lambda: [json.loads(call.args[0]) for call in logger.calls]

    return begin


def test_an_unexpected_error_is_logged_and_not_told(
    another_gateway: Any, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inspection, "revoke", fails)
    gateway = another_gateway()
    lines = written("gateway.oauth.wire")

    answer = gateway.http.post("/oauth/revoke", data={"token": "x"}, auth=gateway.machine())

    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "secret detail" not in answer.text
    [line] = [line for line in lines() if line["event"] == "unexpected error"]
    assert (line["level"], line["path"]) == ("error", "/oauth/revoke")
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
    assert "RuntimeError: a secret detail" in line["exception"]


def test_an_unexpected_error_of_the_api_is_in_the_log_under_the_trace_that_is_told(
    another_gateway: Any, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clients, "page", fails)
    gateway = another_gateway()
    lines = written("cme_kit.problems")

    answer = gateway.http.get("/gateway/v1/clients", headers=gateway.registrar())

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    [line] = [line for line in lines() if line["event"] == "unexpected error"]
    assert line["trace_id"] == answer.json()["trace_id"]
    assert "RuntimeError: a secret detail" in line["exception"]
