"""HTTP with the standard library: one request, one answer, no redirects followed, no proxy for this machine."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Any
from urllib.parse import urlsplit

from cme_cli.errors import CliError, Unreachable

TIMEOUT_SECONDS = 30.0
#: What of an unreadable answer is shown.
SHOWN = 300
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def _own_version() -> str:
    try:
        return version("cme-cli")
    except PackageNotFoundError:
        return "0"


USER_AGENT = f"cme-cli/{_own_version()}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """None: the answer is handed on as it is."""


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    reason: str
    headers: Message
    body: bytes

    def document(self) -> Any:
        """The body as JSON, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """Send a request and read its whole answer. Raises Unreachable when there is none."""
    with open_answer(method, url, headers=headers, body=body, timeout=timeout) as answer:
        try:
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{url} broke off: {_why(error)}") from None
        return Answer(answer.status, answer.reason, answer.headers, content)


def open_answer(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Any:
    """An answer to read piece by piece, of any status; close it. Raises Unreachable, or CliError for a bad URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(f"{url} is no http or https address.")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if parts.hostname in _LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    # The scheme is one of two.
    request = urllib.request.Request(  # noqa: S310
        url, data=body, headers={"User-Agent": USER_AGENT, **(headers or {})}, method=method
    )
    try:
        return urllib.request.build_opener(*handlers).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        return error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{parts.scheme}://{parts.netloc} does not answer: {_why(error)}") from None


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)
