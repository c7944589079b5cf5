"""Identifiers: TypeIDs for records (`app_01j…`), UUIDv7 for events; both sort by the time they were made."""

from __future__ import annotations

import re
from uuid import UUID

import uuid_utils
from typeid import TypeID

_SUFFIX = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
_MENTIONED = re.compile(rf"(?<![0-9a-z])[a-z]{{2,16}}_{_SUFFIX}(?![0-9a-z])")


def new_id(prefix: str) -> str:
    """A new TypeID, such as `app_01jb6x…` (TypeID specification 0.3)."""
    return str(TypeID(prefix=prefix))


def new_event_id() -> UUID:
    """A new UUIDv7 (RFC 9562 section 5.7), increasing within this process."""
    return UUID(str(uuid_utils.uuid7()))


def is_id(prefix: str, value: str) -> bool:
    """Whether a text has the form of a TypeID with this prefix."""
    return re.fullmatch(f"{prefix}_{_SUFFIX}", value) is not None


def ids_in(text: str) -> list[str]:
    """The TypeIDs that a text mentions, each once, in their order."""
    return list(dict.fromkeys(_MENTIONED.findall(text)))
