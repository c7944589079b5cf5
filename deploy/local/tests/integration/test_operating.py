import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from cme_local.errors import UserError
from cme_local.operating import NotAnswered, Operator, Refused
from cme_local.stack import SandboxClient

CLIENT = SandboxClient("sandbox-operator", "sandbox-operator", "client_secret_basic", [], [], [], "secret")


class Gateway(ThreadingHTTPServer):
    """Grants a token and gives one answer to everything else."""

    answer: tuple[int, dict[str, Any]] = (200, {"dead_letters": 3})

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        gateway = cast("Gateway", self.server)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gateway.asked.append((self.path, self.headers["Authorization"]))
        granted = {"access_token": "abc", "expires_in": 300}
        status, document = (200, granted) if self.path == "/oauth/token" else gateway.answer
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def test_one_token_serves_many_requests(gateway: Gateway) -> None:
    operator = Operator(gateway.url, CLIENT)

    assert [operator.count_letters(service) for service in ("enrolment", "outreach")] == [3, 3]

    assert [path for path, _ in gateway.asked] == [
        "/oauth/token",
        "/enrolment/v1/operations/figures",
        "/outreach/v1/operations/figures",
    ]
    assert gateway.asked[1][1] == "Bearer abc"


def test_a_refusal_has_the_problems_words(gateway: Gateway) -> None:
    gateway.answer = (404, {"detail": "Dead letter 7 is gone.", "code": "dead_letter_gone"})

    with pytest.raises(Refused, match=r"^outreach: Dead letter 7 is gone\.$") as refused:
        Operator(gateway.url, CLIENT).redrive("outreach", 7)

    assert (refused.value.status, refused.value.code) == (404, "dead_letter_gone")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_service_that_is_away_is_named(gateway: Gateway, status: int) -> None:
    gateway.answer = (status, {"detail": "Try again.", "code": "upstream_down"})

    with pytest.raises(NotAnswered, match=r"^outreach does not answer: Try again\.$"):
        Operator(gateway.url, CLIENT).count_letters("outreach")


def test_a_stack_that_does_not_run_is_told() -> None:
    with pytest.raises(NotAnswered, match="Is the stack running"):
        Operator("http://127.0.0.1:9", CLIENT).count_letters("outreach")


def test_an_unknown_service_is_told_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no service x\..*outreach"):
        Operator("http://127.0.0.1:9", CLIENT).count_letters("x")
