"""A client with its token: what each command calls the API through."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from cme_cli.calling import Answer, open_answer, send
from cme_cli.credentials import Credentials
from cme_cli.errors import CliError, Refused, Unreachable
from cme_cli.printing import Tone, tell, toned
from cme_cli.problems import explain

HTTP_ERROR, SERVER_ERROR = 400, 500
#: Not done, and worth asking again as soon as Retry-After says (RFC 9110 section 10.2.3).
LATER = (429, 503)
REPEATS, LONGEST_WAIT_SECONDS = 5, 10
#: A token is asked for anew when less than this is left of it.
SPARE_SECONDS = 20.0


class Session:
    """Calls the API in the name of one client (RFC 6749 section 4.4)."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token = ""
        self._until = 0.0

    @property
    def gateway(self) -> str:
        """The gateway's base URL."""
        return self._credentials.api

    def base(self) -> str:
        """The API that the client's tokens open, which their audience names: the real one, or the sandbox."""
        claims = self._token_claims()
        audience = claims.get("aud")
        return str(audience[0] if isinstance(audience, list) else audience)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send a request with the token; again when the answer is to come back soon. Raises Unreachable or Refused."""
        for last in (False,) * REPEATS + (True,):
            answer = send(method, url, headers={**self.authorization(), **(headers or {})}, body=body)
            wait = _seconds(answer.headers.get("Retry-After"))
            if last or answer.status not in LATER or wait is None or wait > LONGEST_WAIT_SECONDS:
                break
            tell(toned(f"{explain(answer).splitlines()[0]} Asking again in {wait} s.", Tone.FAINT, sys.stderr))
            time.sleep(wait)
        return answer

    def ask(self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON that the gateway's own API answers. Raises Refused or Unreachable."""
        body = None if document is None else json.dumps(document).encode()
        given = {"Content-Type": "application/json"} if body is not None else {}
        return _expect(self.send(method, self.gateway + path, {**given, **(headers or {})}, body)).document()

    def stream(self, path: str, headers: Mapping[str, str], timeout: float) -> Any:
        """An open answer of the gateway; close it. Raises Refused or Unreachable."""
        answer = open_answer("GET", self.gateway + path, headers={**self.authorization(), **headers}, timeout=timeout)
        if answer.status >= HTTP_ERROR:
            with answer:
                _expect(Answer(answer.status, answer.reason, answer.headers, answer.read()))
        return answer

    def authorization(self) -> dict[str, str]:
        """The header with a token that holds for a while. Raises Refused or Unreachable."""
        if time.monotonic() > self._until:
            self.renew()
        return {"Authorization": f"Bearer {self._token}"}

    def renew_soon(self) -> None:
        """Get a fresh token before the next call."""
        self._until = 0.0

    def renew(self) -> None:
        """Get a fresh token. Raises Refused or Unreachable."""
        known = self._credentials
        # Both are form-encoded first (RFC 6749 section 2.3.1).
        pair = f"{quote(known.client_id, safe='')}:{quote(known.client_secret, safe='')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = urlencode({"grant_type": "client_credentials"}).encode()
        granted = _expect(send("POST", f"{known.api}/oauth/token", headers=headers, body=form)).document()
        if not isinstance(granted, dict) or "access_token" not in granted:
            raise CliError(f"{known.api}/oauth/token gives no tokens. Is this the address of the API?")
        if str(granted.get("token_type", "")).lower() != "bearer":
            raise CliError("This client's tokens are bound to a key, which this command does not have.")
        self._token = str(granted["access_token"])
        self._until = time.monotonic() + float(granted.get("expires_in", 0)) - SPARE_SECONDS

    def _token_claims(self) -> dict[str, Any]:
        self.authorization()
        try:
            payload = self._token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            raise CliError("The token of this client cannot be read.") from None
        return dict(claims)


def _seconds(retry_after: str | None) -> int | None:
    return int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdecimal() else None


def _expect(answer: Answer) -> Answer:
    """The answer, if it is no refusal. Raises Refused, or Unreachable for a failure that is not the caller's."""
    if answer.status >= HTTP_ERROR:
        raise (Unreachable if answer.status >= SERVER_ERROR else Refused)(explain(answer))
    return answer
