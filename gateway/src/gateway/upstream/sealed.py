"""What a browser carries for us between two pages: readable, not changeable, for a while, in a cookie of its own."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from gateway.peppered import Pepper


class Seal:
    """Seals and opens small documents for one purpose."""

    def __init__(self, pepper: Pepper, purpose: str) -> None:
        self._pepper = pepper
        self._purpose = purpose

    def close(self, fields: dict[str, Any], expires: datetime) -> str:
        """The sealed document."""
        content = json.dumps({**fields, "expires": expires.timestamp()}, separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        return f"{text}.{self._pepper.derive(self._purpose, text)}"

    def open(self, sealed: str | None, now: datetime) -> dict[str, Any] | None:
        """The fields of a document that we sealed and that has not expired."""
        text, _, tag = (sealed or "").partition(".")
        if not text or not self._pepper.matches(tag, self._purpose, text):
            return None
        fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return fields if fields.pop("expires") > now.timestamp() else None
