"""Stands in for a service or the gateway: always ready, and makes whatever client or account is asked for."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandIn(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oauth/token":
            self.answer(200, {"access_token": "of-a-stand-in", "token_type": "Bearer"})
            return
        wanted = json.loads(body)
        key = self.headers["Idempotency-Key"]
        if self.path.endswith("/clients"):
            secret = {"client_secret": key} if wanted["token_endpoint_auth_method"] == "client_secret_basic" else {}
            self.answer(201, {"client_id": wanted["client_id"], **secret})
        else:
            self.answer(201, {"subject": f"per_{key}"})

    def answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    #: The standard library's 5 is fewer than the clients and users that are asked for at once: the sixth would be reset.
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["CME_PORT"])), StandIn).serve_forever()
