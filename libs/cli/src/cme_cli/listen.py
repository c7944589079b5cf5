"""`cme listen`: what a webhook would be sent, on this machine, as it happens."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from cme_cli.calling import send
from cme_cli.errors import CliError, Unreachable
from cme_cli.names import full, short
from cme_cli.printing import Tone, say, tell, toned
from cme_cli.session import Session
from cme_cli.sse import ServerEvent, events

LISTEN, TYPES = "/gateway/v1/webhooks/listen", "/gateway/v1/webhooks/event-types"
#: The gateway gives a sign of life every 15 s; without three of them the connection is gone.
SILENCE_SECONDS = 50.0
FORWARD_SECONDS = 15.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
#: What real deliveries say of their body (CloudEvents 1.0, HTTP protocol binding section 3.2).
MEDIA_TYPE = "application/cloudevents+json"
SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Wish:
    """What to listen for, and what to do with it."""

    forward_to: str | None
    names: tuple[str, ...] = ()
    #: `v1` (a shared secret) or `v1a` (a public key), as in Standard Webhooks.
    signing: str = "v1"
    as_json: bool = False
    #: End after so many deliveries.
    count: int | None = None


@dataclass(frozen=True)
class Delivery:
    """An event as the gateway would send it."""

    type: str
    headers: dict[str, str]
    body: str

    @property
    def message_id(self) -> str:
        """The same for every attempt."""
        return self.headers["webhook-id"]


def run(session: Session, wish: Wish, sleep: Callable[[float], None] = time.sleep) -> int:
    """Listen until interrupted, or for so many deliveries; 0. Raises CliError when nothing can ever come of it."""
    types = _types(session, wish.names)
    left = wish.count
    last_id, pause, told = "", FIRST_PAUSE_SECONDS, False
    while left is None or left > 0:
        try:
            for event in _stream(session, wish, types, last_id):
                last_id, pause = event.id or last_id, FIRST_PAUSE_SECONDS
                if _take(event, wish, greet=not told):
                    left = None if left is None else left - 1
                    if left == 0:
                        return 0
                told = told or event.name == "ready"
        except (Unreachable, OSError, http.client.HTTPException) as error:
            if not told:
                raise
            tell(toned(f"connection lost ({error}); again in {pause:g} s", Tone.FAINT))
            sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            # It came to the end of its token, or of that gateway: the next one has a fresh token.
            sleep(FIRST_PAUSE_SECONDS)
        session.renew_soon()
    return 0


def _types(session: Session, names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    known = [one["type"] for one in session.ask("GET", TYPES)["items"]]
    return [full(name, known) for name in names]


def _stream(session: Session, wish: Wish, types: list[str], last_id: str) -> Iterator[ServerEvent]:
    query = urlencode([("signing", wish.signing), *(("event_type", type_) for type_ in types)])
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
    with closing(session.stream(f"{LISTEN}?{query}", headers, SILENCE_SECONDS)) as answer:
        yield from events(answer, last_id)


def _take(event: ServerEvent, wish: Wish, *, greet: bool) -> bool:
    """Act on an event of the stream; whether it was a delivery."""
    document = json.loads(event.data)
    match event.name:
        case "ready":
            if greet:
                _greet(document, wish)
        case "dropped":
            tell(toned(f"{document['messages']} deliveries were dropped: this machine is too slow", Tone.BAD))
        case "delivery":
            _deliver(Delivery(document["type"], document["headers"], document["body"]), wish)
            return True
    return False


def _greet(ready: dict[str, Any], wish: Wish) -> None:
    if wish.as_json:
        say(json.dumps({"event": "ready", **ready}))
        return
    tell(f"Listening as {toned(ready['client_id'], Tone.STRONG)}. Ctrl-C ends it.")
    if ready.get("signing_secret"):
        tell(f"Signing secret, always the same for this client: {toned(ready['signing_secret'], Tone.STRONG)}")
    else:
        tell(f"Public key, always the same for this client: {toned(str(ready['public_key']), Tone.STRONG)}")
    tell(f"Forwarding to {wish.forward_to}" if wish.forward_to else "Nothing is forwarded: --forward-to URL does")


def _deliver(delivery: Delivery, wish: Wish) -> None:
    began = time.perf_counter()
    status, error = None, None
    if wish.forward_to:
        headers = {"Content-Type": MEDIA_TYPE, **delivery.headers}
        try:
            answer = send(
                "POST", wish.forward_to, headers=headers, body=delivery.body.encode(), timeout=FORWARD_SECONDS
            )
            status = answer.status
        except Unreachable as failure:
            error = str(failure)
    _report(delivery, wish, status, error, round((time.perf_counter() - began) * 1000))


def _report(delivery: Delivery, wish: Wish, status: int | None, error: str | None, milliseconds: int) -> None:
    if wish.as_json:
        line = {"event": "delivery", "id": delivery.message_id, "type": delivery.type, "status": status}
        say(json.dumps(line | {"error": error, "ms": milliseconds, "body": json.loads(delivery.body)}))
        return
    at = toned(datetime.now().astimezone().strftime("%H:%M:%S"), Tone.FAINT)
    outcome = ""
    if status is not None:
        outcome = toned(f"  {status}", Tone.GOOD if status in SUCCESS else Tone.BAD) + f"  {milliseconds} ms"
    elif error is not None:
        outcome = toned(f"  {error}", Tone.BAD)
    say(f"{at}  {short(delivery.type)}{outcome}  {toned(delivery.message_id, Tone.FAINT)}")


def check_address(url: str | None) -> None:
    """Raises CliError for what nothing can be forwarded to."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise CliError(f"Forward to an http or https address, such as http://127.0.0.1:3000/hook, not {url}.")
