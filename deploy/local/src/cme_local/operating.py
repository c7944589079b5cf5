"""What operators ask of the services of a running stack, through the public API: dead letters, rebuilds.

Blocking, and of the standard library alone: the operations process calls it from a thread, and its memory counts.
"""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from cme_local.errors import UserError
from cme_local.processes import CONSUMING
from cme_local.stack import SandboxClient, Stack

CLIENT = "sandbox-operator"
PAGE = 100
TIMEOUT_S = 20.0
#: A token is asked for anew this long before it ends.
SPARE_S = 30.0
#: Loopback only: a proxy of the environment has no business here.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
#: What the gateway says for a service that is away or too slow.
_AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
Answer = TypeVar("Answer")


class NotAnswered(UserError):
    """The gateway, or the service behind it, does not answer."""


class Refused(UserError):
    """A service refused, with the status and the code of its problem document."""

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Letter:
    """A message that a service could not apply."""

    service: str
    number: int
    subject: str
    event_id: str | None
    aggregate: str | None
    reason: str
    attempts: int
    trace_id: str | None
    #: ISO 8601, UTC.
    buried_at: str
    size: int


@dataclass(frozen=True)
class OpenedLetter(Letter):
    """A dead letter with its original bytes; `encoding` is utf-8 or base64."""

    body: str
    encoding: str


@dataclass(frozen=True)
class Rehearsal:
    """What redriving a letter would do now: would_apply, would_fail or applied_before."""

    number: int
    outcome: str
    reason: str | None
    #: Letters behind it in its aggregate.
    behind: list[int]


@dataclass(frozen=True)
class Redriven:
    """What became of a letter: applied, or failed and why; `also` are those behind it that were applied with it."""

    number: int
    outcome: str
    reason: str | None
    also: list[int]


@dataclass(frozen=True)
class ReadModel:
    """What a service keeps of the events of others; `rebuild` is the last one, None before the first."""

    name: str
    documents: int
    events: int
    rebuild: dict[str, Any] | None


class Operator:
    """The operator's client of a stack. Every method raises NotAnswered or Refused."""

    def __init__(self, api: str, client: SandboxClient) -> None:
        self._api = api
        self._client = client
        self._token = ""
        self._token_until = 0.0

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """The operator of a running stack."""
        return cls(stack.api, stack.client(CLIENT))

    def count_letters(self, service: str) -> int:
        """How many dead letters a service has."""
        return int(self.ask("GET", service, "figures")["dead_letters"])

    def page_of_letters(self, service: str, after: str | None = None) -> tuple[list[Letter], str | None]:
        """Letters, oldest first, and the cursor of the page after it, if there is one."""
        query = urlencode({"limit": PAGE} | ({"after": after} if after else {}))
        page = self.ask("GET", service, f"dead-letters?{query}")
        return [_read(Letter, item | {"service": service}) for item in page["items"]], page["next"]

    def letters(self, service: str) -> Iterator[Letter]:
        """Every dead letter of a service, oldest first."""
        letters, following = self.page_of_letters(service)
        yield from letters
        while following:
            letters, following = self.page_of_letters(service, following)
            yield from letters

    def letter(self, service: str, number: int) -> OpenedLetter:
        """One with its original bytes."""
        return _read(OpenedLetter, self.ask("GET", service, f"dead-letters/{number}") | {"service": service})

    def rehearse(self, service: str, number: int) -> Rehearsal:
        """Try a letter without changing anything."""
        return _read(Rehearsal, self.ask("POST", service, f"dead-letters/{number}/rehearsal"))

    def redrive(self, service: str, number: int) -> Redriven:
        """Apply a letter, and those behind it in their order."""
        return _read(Redriven, self.ask("POST", service, f"dead-letters/{number}/redrive"))

    def discard(self, service: str, number: int, reason: str) -> None:
        """Give a letter up for good."""
        self.ask("POST", service, f"dead-letters/{number}/discard", {"reason": reason})

    def rebuild_streams(self, service: str, *, dry_run: bool) -> int:
        """Publish again what a service's streams lost; how many events, or how many it would be."""
        return int(self.ask("POST", service, f"stream/rebuild?dry_run={dry_run}")["events"])

    def models(self, service: str) -> list[ReadModel]:
        """The read models of a service that can be made again, with their last rebuilds."""
        return [_read(ReadModel, model) for model in self.ask("GET", service, "models")]

    def rebuild_model(self, service: str, name: str, *, dry_run: bool) -> None:
        """Have a read model made again, or only compared; `models` says how far it is."""
        self.ask("POST", service, f"models/{name}/rebuild?dry_run={dry_run}")

    def ask(self, method: str, service: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON that a service answers to a request below its operations; None when it answers nothing."""
        if service not in CONSUMING:
            raise UserError(f"There is no service {service}. Name one of: {', '.join(CONSUMING)}")
        url = f"{self._api}/{service}/v1/operations/{path}"
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._fresh_token()}", "Content-Type": "application/json"}
        try:
            return self._answer(method, url, content, headers)
        except urllib.error.HTTPError as error:
            raise _refusal(service, error) from None

    def _fresh_token(self) -> str:
        if time.monotonic() > self._token_until:
            secret = base64.b64encode(f"{self._client.client_id}:{self._client.client_secret}".encode()).decode()
            headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/x-www-form-urlencoded"}
            try:
                granted = self._answer("POST", f"{self._api}/oauth/token", b"grant_type=client_credentials", headers)
            except urllib.error.HTTPError as error:
                raise _refusal("the gateway", error) from None
            self._token = granted["access_token"]
            self._token_until = time.monotonic() + granted["expires_in"] - SPARE_S
        return self._token

    def _answer(self, method: str, url: str, content: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 -- the stack file's own loopback address
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            why = getattr(error, "reason", error)
            raise NotAnswered(f"The gateway at {self._api} does not answer ({why}). Is the stack running?") from None


def _refusal(who: str, error: urllib.error.HTTPError) -> NotAnswered | Refused:
    with error:
        try:
            problem = json.loads(error.read())
        except ValueError:
            problem = {}
    detail, code = problem.get("detail") or error.reason, problem.get("code") or ""
    if error.code in _AWAY:
        return NotAnswered(f"{who} does not answer: {detail}")
    return Refused(f"{who}: {detail}", error.code, code)


def _read(kind: type[Answer], document: dict[str, Any]) -> Answer:
    """An answer without what later versions may add to it."""
    return kind(**{field.name: document[field.name] for field in fields(kind)})  # type: ignore[arg-type]
