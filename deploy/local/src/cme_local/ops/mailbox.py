"""The mail catcher: takes every mail by SMTP, delivers none."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cached_property
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_MESSAGES = 2_000
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
MAX_TOTAL_BYTES = 32 * 1024 * 1024


@dataclass
class Caught:
    """One mail as it came; parsed when somebody looks at it."""

    id: int
    received: datetime
    sender: str
    recipients: list[str]
    raw: bytes

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """The headers in their order, decoded."""
        return [(name, str(value)) for name, value in self._parsed().items()]

    def header(self, name: str) -> str:
        """The first header of that name, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def _parsed(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.raw)

    def body(self, kind: str) -> str:
        """The body as `plain` or `html` text, or an empty string when there is no such part."""
        part = self._parsed().get_body(preferencelist=(kind,))
        return "" if part is None else str(part.get_content())


class Mailbox:
    """The latest mails, in memory and within caps; also the handler that aiosmtpd calls."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._max_messages = max_messages
        self._max_total_bytes = max_total_bytes
        self._messages: OrderedDict[int, Caught] = OrderedDict()
        self._bytes = 0
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._messages)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail; the name is aiosmtpd's."""
        content = envelope.content
        self.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content if isinstance(content, bytes) else b"")
        return "250 Caught, delivered to nobody"

    def keep(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Add a mail and drop the oldest ones beyond the caps."""
        self._messages[self._next_id] = Caught(self._next_id, datetime.now(UTC), sender, recipients, raw)
        self._next_id += 1
        self._bytes += len(raw)
        while len(self._messages) > self._max_messages or self._bytes > self._max_total_bytes:
            _, dropped = self._messages.popitem(last=False)
            self._bytes -= len(dropped.raw)

    def get(self, message_id: int) -> Caught | None:
        """The mail with that number."""
        return self._messages.get(message_id)

    def find(self, *, to: str = "", message_id: str = "", limit: int = 100) -> list[Caught]:
        """Mails, newest first, to that recipient and with that Message-ID where given."""
        found: list[Caught] = []
        for mail in reversed(self._messages.values()):
            if to and to.lower() not in (recipient.lower() for recipient in mail.recipients):
                continue
            if message_id and mail.header("Message-ID").strip("<>") != message_id.strip("<>"):
                continue
            found.append(mail)
            if len(found) >= limit:
                break
        return found


def as_document(mail: Caught) -> dict[str, Any]:
    """A mail for the JSON API."""
    return {
        "id": mail.id,
        "received": mail.received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "envelope": {"from": mail.sender, "to": mail.recipients},
        "headers": mail.headers,
        "text": mail.body("plain"),
        "html": mail.body("html"),
        "size": len(mail.raw),
    }
