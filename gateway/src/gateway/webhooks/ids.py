"""Ids that come in an address: what cannot be one is unknown."""

from __future__ import annotations

from uuid import UUID

from cme_kit.ids import is_id
from cme_kit.problems import NotFound


def webhook_id_of(text: str) -> str:
    """The id of a webhook. Raises NotFound."""
    if not is_id("hook", text):
        raise NotFound("webhook")
    return text


def message_id_of(text: str) -> str:
    """The id of a message, as it is stored. Raises NotFound."""
    try:
        return str(UUID(text))
    except ValueError:
        raise NotFound("delivery") from None
