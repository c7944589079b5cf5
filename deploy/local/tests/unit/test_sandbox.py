"""Provisioning while the gateway restarts."""

import json

import httpx
import pytest
from cme_local import sandbox
from cme_local.errors import StackError

ENTRY = {"path": "/gateway/v1/accounts", "body": {"username": "reader"}, "idempotency_key": "k1"}


def client(answers: list[httpx.Response | Exception], asked: list[httpx.Request]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://gateway")


async def test_a_request_that_a_restarting_gateway_dropped_is_sent_again_with_its_key() -> None:
    asked: list[httpx.Request] = []
    http = client([httpx.ReadError("reset"), httpx.ConnectError("refused"), httpx.Response(201)], asked)

    answer = await sandbox.post_until_answered(http, ENTRY)

    assert answer.status_code == 201
    assert [(request.headers["idempotency-key"], json.loads(request.content)) for request in asked] == [
        ("k1", {"username": "reader"})
    ] * 3


async def test_a_gateway_that_stays_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "GATEWAY_BACK_WITHIN_S", 0.0)

    with pytest.raises(StackError, match="does not answer /gateway/v1/accounts"):
        await sandbox.post_until_answered(client([httpx.ReadError("reset")] * 2, []), ENTRY)
