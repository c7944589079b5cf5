"""A gateway of the tests: a real HTTP server that says what a test wants it to say."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cme_cli.__main__ import run


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class Said:
    """An answer: its pieces are sent one by one, then the connection is closed."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def as_json(status: int, document: Any, **headers: str) -> Said:
    return Said(status, {"Content-Type": "application/json", **headers}, json.dumps(document).encode())


Answering = Callable[[Asked], Said]


class Place:
    """An HTTP server on this machine; `asked` is what it was asked, tokens apart."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Answering] = {}
        self.audience = ""
        self.tokens = 0
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.close_connection = True
                super().handle_one_request()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = Asked(self.command, self.path, self.headers, self.rfile.read(length))
                said = place.answer(asked)
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(said.body)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.audience = self.url
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, asked: Asked) -> Said:
        path = asked.path.partition("?")[0]
        if path == "/oauth/token":
            return self._token(asked)
        self.asked.append(asked)
        answering = self.answers.get(path)
        return answering(asked) if answering else as_json(404, {"code": "not_found", "detail": "There is none."})

    def _token(self, asked: Asked) -> Said:
        given = base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()
        if given != "client:secret":
            return as_json(401, {"error": "invalid_client", "error_description": "Client or secret is wrong."})
        self.tokens += 1
        claims = base64.urlsafe_b64encode(json.dumps({"aud": self.audience}).encode()).rstrip(b"=").decode()
        return as_json(200, {"access_token": f"e30.{claims}.{self.tokens}", "token_type": "Bearer", "expires_in": 300})

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """The gateway whose client the environment names."""
    place = Place()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CME_API", place.url)
    monkeypatch.setenv("CME_CLIENT_ID", "client")
    monkeypatch.setenv("CME_CLIENT_SECRET", "secret")
    monkeypatch.chdir(tmp_path)
    yield place
    place.close()


@pytest.fixture
def hook() -> Iterator[Place]:
    """A receiver of deliveries."""
    place = Place()
    yield place
    place.close()


@dataclass
class Ended:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Cme = Callable[..., Ended]


@pytest.fixture
def cme(capfd: pytest.CaptureFixture[str]) -> Cme:
    """Runs a command in this process."""

    def command(*arguments: str) -> Ended:
        code = run(arguments)
        seen = capfd.readouterr()
        return Ended(code, seen.out, seen.err)

    return command
