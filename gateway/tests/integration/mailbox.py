"""An SMTP relay that keeps every mail, and behaves badly when a test asks for it."""

import socketserver
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from urllib.parse import urlsplit


class _Dialogue(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        relay: Mailbox = self.server.mailbox  # type: ignore[attr-defined]
        self._say("220 mailbox")
        recipient = ""
        while line := self.rfile.readline().decode().strip():
            word = line.partition(" ")[0].upper()
            if word == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
            if answer := relay.behave(word, recipient):
                if answer == "drop":
                    return
                self._say(answer)
            elif word == "DATA":
                self._say("354 go on")
                content = b""
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    content += part
                relay.mails.append((recipient, message_from_bytes(content, policy=policy.default)))  # type: ignore[arg-type]
                self._say("250 kept")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


class Mailbox:
    """Everybody's mails, as the relay got them."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        #: What to answer to a command for an address, or `drop`; nothing to be a good relay.
        self.behave: Callable[[str, str], str] = lambda _word, _address: ""
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dialogue)
        server.daemon_threads = True
        server.mailbox = self  # type: ignore[attr-defined]
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def of(self, address: str) -> list[EmailMessage]:
        """The mails to an address, oldest first."""
        return [mail for recipient, mail in list(self.mails) if recipient == address]

    def await_mail(self, address: str, count: int = 1) -> EmailMessage:
        """The mail to an address, once that many have come."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if len(found := self.of(address)) >= count:
                return found[-1]
            time.sleep(0.05)
        raise AssertionError(f"{address} has {len(self.of(address))} mails, not {count}")


def text_of(mail: EmailMessage) -> str:
    """What a mail says in plain text."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_of(mail: EmailMessage) -> str:
    """Path and query of the link in a mail."""
    (address,) = [word for word in text_of(mail).split() if word.startswith("http")]
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


@cache
def the_mailbox() -> Mailbox:
    """One relay for all gateways of a run, because any of them may send what another one wrote."""
    return Mailbox()
