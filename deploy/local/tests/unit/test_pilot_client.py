"""The player's patience: what is tried again, what is a refusal, and that an act keeps its key."""

import httpx
import pytest
from cme_local.pilot import client as module
from cme_local.pilot.client import Client, PilotFailed, Refused, eventually, for_each, traced, until

PROBLEM = {"Content-Type": "application/problem+json"}


class Platform:
    """Answers in turn, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        return Client(httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://gateway"))


def refusal(code: str, status: int = 409) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "no"}, headers=PROBLEM)


async def test_an_act_is_repeated_with_its_key_while_something_restarts() -> None:
    platform = Platform(httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(201, json={"id": 1}))

    answer = await platform.client().send("POST", "/acts", key="an act", json={})

    assert answer.json() == {"id": 1}
    assert {request.headers["idempotency-key"] for request in platform.requests} == {"pilot:an-act"}


async def test_a_refusal_is_not_repeated() -> None:
    platform = Platform(refusal("seats_taken"))

    with pytest.raises(Refused) as caught:
        await platform.client().send("POST", "/acts")

    assert caught.value.code == "seats_taken"
    assert len(platform.requests) == 1


async def test_an_error_of_the_platform_itself_is_not_covered_up() -> None:
    platform = Platform(httpx.Response(500))

    with pytest.raises(Refused, match="500"):
        await platform.client().send("GET", "/figures")


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.25)
    platform = Platform(*[httpx.Response(503)] * 9)

    with pytest.raises(PilotFailed, match="answered 503 for"):
        await platform.client().send("GET", "/figures")


async def test_eventually_waits_for_the_named_refusal_only() -> None:
    platform = Platform(refusal("no_agreement"), httpx.Response(201), refusal("learner_withdrawn"))
    client = platform.client()

    answer = await eventually(lambda: client.send("POST", "/evidence"), "no_agreement", pause_s=0)

    assert answer.status_code == 201
    with pytest.raises(Refused, match="learner_withdrawn"):
        await eventually(lambda: client.send("POST", "/evidence"), "no_agreement", pause_s=0)


async def test_until_says_what_it_waited_for() -> None:
    async def read() -> int:
        return 3

    with pytest.raises(PilotFailed, match="four badges; it is 3"):
        await until(read, lambda count: count == 4, "four badges", within_s=0, pause_s=0)


async def test_requests_of_a_traced_block_share_its_trace_and_nothing_else() -> None:
    platform = Platform(*[httpx.Response(200)] * 3)
    client = platform.client()

    with traced("0af7651916cd43dd8448eb211c80319c"):
        await client.send("GET", "/one")
        await client.send("GET", "/two")
    await client.send("GET", "/three")

    first, second, third = (request.headers.get("traceparent") for request in platform.requests)
    assert first != second
    assert first[:36] == second[:36] == "00-0af7651916cd43dd8448eb211c80319c-"
    assert third is None


async def test_results_come_in_the_order_of_the_items() -> None:
    async def double(number: int) -> int:
        return 2 * number

    assert await for_each([1, 2, 3], double) == [2, 4, 6]
