"""`cme trigger EVENT`: have a sample of an event sent to the client's webhooks and to who listens."""

from __future__ import annotations

import json
from typing import Any

from cme_cli.errors import OK, CliError
from cme_cli.listen import TYPES
from cme_cli.names import full, short
from cme_cli.printing import Tone, say, toned
from cme_cli.session import Session

TRIGGERS = "/gateway/v1/webhooks/triggers"


def run(session: Session, name: str, settings: list[str], *, as_json: bool) -> int:
    """Trigger a sample, with some fields set. Raises CliError, Refused or Unreachable."""
    type_ = full(name, [one["type"] for one in _types(session)])
    request: dict[str, Any] = {"type": type_}
    if settings:
        request["data"] = dict(_setting(setting) for setting in settings)
    sent = session.ask("POST", TRIGGERS, request)
    if as_json:
        say(json.dumps(sent))
        return OK
    webhooks = len(sent["webhook_ids"])
    told = f"{webhooks} webhook{'' if webhooks == 1 else 's'}, and whoever listens"
    say(f"{toned(short(type_), Tone.STRONG)}  {sent['message_id']}  to {told}")
    return OK


def list_events(session: Session, *, as_json: bool) -> int:
    """Print every event, and the scope that a client needs to be told of it."""
    types = _types(session)
    if as_json:
        say(json.dumps(types, ensure_ascii=False))
        return OK
    width = max(len(short(one["type"])) for one in types)
    for one in types:
        needed = "" if one["available"] else toned(f"  needs {one['scope']}", Tone.BAD)
        say(f"{short(one['type']):<{width}}  {toned(one['summary'], Tone.FAINT)}{needed}")
    return OK


def _types(session: Session) -> list[Any]:
    return list(session.ask("GET", TYPES)["items"])


def _setting(text: str) -> tuple[str, Any]:
    """`name=value`; the value is JSON where it can be, and text otherwise."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise CliError(f"Write a field as name=value, not {text}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
