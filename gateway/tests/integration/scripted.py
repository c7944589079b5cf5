"""A service that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from cme_kit.testing import free_port


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What to say."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """The service: by path, an answer or what makes one."""

    url: str
    answers: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = "?" + scope["query_string"].decode() if scope["query_string"] else ""
        asked = Asked(scope["method"], scope["raw_path"].decode() + query, headers)
        self.asked.append(asked)
        answer = self.answers.get(scope["path"], Answer())
        if callable(answer):
            answer = answer(asked)
        given = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
        raw = [(name.encode(), value.encode()) for name, value in given.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body if scope["method"] != "HEAD" else b""})

    def times(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked.target.partition("?")[0] == path for asked in self.asked)


@contextmanager
def serving() -> Iterator[Scripted]:
    """Run one in a thread."""
    port = free_port()
    scripted = Scripted(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(scripted, port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield scripted
    server.should_exit = True
    thread.join(5)


@dataclass
class HangingUp:
    """Takes connections, reads what comes and hangs up, `times` times; then answers."""

    times: int
    url: str = ""
    connections: int = 0

    def run(self, listener: socket.socket) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                self.connections += 1
                if self.connections > self.times:
                    connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


@contextmanager
def hanging_up(times: int) -> Iterator[HangingUp]:
    """Run one in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HangingUp(times, f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=server.run, args=(listener,), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
