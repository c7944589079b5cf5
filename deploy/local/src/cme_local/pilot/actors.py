"""Who acts: people who sign in with a browser's forms, and systems with client credentials."""

import asyncio
import base64
import hashlib
import hmac
import html
import re
import secrets
import time
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from cme_local.pilot.client import Client, PilotFailed, Refused
from cme_local.stack import Bootstrap, DemoUser, SandboxClient, Stack

PUBLIC_CLIENT = "sandbox-app"
REDIRECT_URI = "http://127.0.0.1:8765/callback"
#: A token is renewed when less than this is left of it.
_RENEW_BEFORE_S = 20.0
_HIDDEN_FIELD = re.compile(r'<input type="hidden" name="csrf_token" value="([^"]*)"')


class TokenSource(Protocol):
    """Something that gets access tokens."""

    async def token(self) -> tuple[str, float]:
        """A fresh access token and its lifetime in seconds."""


class System:
    """A client that acts for itself (RFC 6749 section 4.4)."""

    def __init__(self, client: Client, client_id: str, client_secret: str, scopes: list[str]) -> None:
        self._client = client
        self._auth = (client_id, client_secret)
        self._scope = " ".join(scopes)

    async def token(self) -> tuple[str, float]:
        """A token by client credentials."""
        form = {"grant_type": "client_credentials", "scope": self._scope}
        answer = await self._client.send("POST", "/oauth/token", data=form, auth=self._auth)
        granted = answer.json()
        return granted["access_token"], granted["expires_in"]


class Browser:
    """A person at the sign-in and consent pages: authorization code with PKCE (RFC 7636), public client."""

    def __init__(self, client: Client, username: str, password: str) -> None:
        self._client = client
        self._username = username
        self._password = password
        self._cookies: dict[str, str] = {}

    async def token(self) -> tuple[str, float]:
        """Sign in, consent, and redeem the code.

        The whole flow starts again when the token answer was lost: a code works once, and its second use
        would revoke what the first one gave.
        """
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        state = secrets.token_urlsafe(16)
        query = {
            "response_type": "code",
            "client_id": PUBLIC_CLIENT,
            "redirect_uri": REDIRECT_URI,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        for _ in range(5):
            answered = parse_qs(urlsplit(await self._authorize(query)).query)
            if answered.get("state") != [state] or "code" not in answered:
                raise PilotFailed(f"{self._username} was not given a code: {answered}")
            form = {
                "grant_type": "authorization_code",
                "code": answered["code"][0],
                "redirect_uri": REDIRECT_URI,
                "client_id": PUBLIC_CLIENT,
                "code_verifier": verifier,
            }
            answer = await self._client.send("POST", "/oauth/token", accept=(400,), data=form)
            if answer.status_code == httpx.codes.OK:
                granted = answer.json()
                return granted["access_token"], granted["expires_in"]
        raise PilotFailed(f"{self._username} could not redeem a code: {answer.text}")

    async def _authorize(self, query: dict[str, str]) -> str:
        page = await self._browse("GET", f"/oauth/authorize?{urlencode(query)}")
        if _leads_to(page, "/login"):
            form = await self._browse("GET", page.headers["location"])
            asked = {"csrf_token": _form_token(form), "return_to": _return_to(page)}
            login = {"username": self._username, "password": self._password}
            page = await self._browse("POST", "/login", data=asked | login)
            page = await self._browse("GET", page.headers["location"])
        if page.status_code == httpx.codes.OK:
            consent = {"csrf_token": _form_token(page), "return_to": f"/oauth/authorize?{urlencode(query)}"}
            page = await self._browse("POST", "/consent", data=consent | {"decision": "allow"})
        if not page.headers.get("location", "").startswith(REDIRECT_URI):
            raise PilotFailed(f"{self._username} did not get back to the client: {page.status_code}")
        return str(page.headers["location"])

    async def _browse(self, method: str, url: str, **content: Any) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies} if cookies else {}
        page = await self._client.send(method, url, headers=headers, accept=(302, 303), **content)
        for line in page.headers.get_list("set-cookie"):
            self._cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return page


def _leads_to(page: httpx.Response, path: str) -> bool:
    return page.is_redirect and urlsplit(page.headers["location"]).path == path


def _return_to(page: httpx.Response) -> str:
    return parse_qs(urlsplit(page.headers["location"]).query)["return_to"][0]


def _form_token(page: httpx.Response) -> str:
    found = _HIDDEN_FIELD.search(page.text)
    if found is None:
        raise PilotFailed(f"The page at {page.request.url.path} has no form token.")
    return html.unescape(found[1])


class Actor:
    """Somebody with tokens, who calls the API."""

    def __init__(self, client: Client, source: TokenSource, name: str, subject: str = "") -> None:
        self._client = client
        self._source = source
        self._token = ""
        self._valid_until = 0.0
        self._renewing = asyncio.Lock()
        self.name = name
        self.subject = subject

    async def get(self, path: str, **query: str | int) -> Any:
        """Read a record."""
        return (await self._call("GET", path, params=query or None)).json()

    async def listed(self, path: str, **query: str | int) -> list[Any]:
        """Read a list to its end."""
        return [item async for item in self._items(path, query)]

    async def _items(self, path: str, query: dict[str, str | int]) -> AsyncIterator[Any]:
        page = await self.get(path, limit=200, **query)
        while True:
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            page = await self.get(path, limit=200, **query, after=page["next"])

    async def post(self, path: str, body: Any, key: str) -> Any:
        """Act once, however often it has to be tried; `key` says which act it is."""
        return (await self._call("POST", path, key=f"{key}:{self.name}", json=body)).json()

    async def upload(self, path: str, text: str, key: str, **query: str) -> Any:
        """POST a CSV file."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        body = text.encode()
        return (await self._call("POST", path, key=key, params=query, headers=headers, content=body)).json()

    async def put(self, path: str, body: Any) -> Any:
        """Say what a record is from now on."""
        return (await self._call("PUT", path, json=body)).json()

    async def put_bytes(self, path: str, body: bytes, media_type: str) -> Any:
        """Send the content of a file."""
        return (await self._call("PUT", path, headers={"Content-Type": media_type}, content=body)).json()

    async def change(self, method: str, path: str, wanted: dict[str, Any], body: dict[str, Any] | None = None) -> Any:
        """Bring a record with an ETag to the `wanted` fields.

        It is read before each try, so a change whose answer was lost is seen as done, and somebody else's
        change in between is not overwritten unseen (If-Match).
        """
        while True:
            current = await self._call("GET", path)
            if wanted.items() <= current.json().items():
                return current.json()
            headers = {"If-Match": current.headers["etag"]}
            try:
                return (await self._call(method, path, headers=headers, json=body or wanted)).json()
            except Refused as refusal:
                if refusal.status != httpx.codes.PRECONDITION_FAILED:
                    raise

    async def _call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        answer = await self._client.send(
            method, path, token=await self._bearer(), headers=headers, accept=(401,), **content
        )
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return answer
        # The token ran out on its way; a second 401 is a refusal.
        self._valid_until = 0.0
        return await self._client.send(method, path, token=await self._bearer(), headers=headers, **content)

    async def _bearer(self) -> str:
        async with self._renewing:
            if time.monotonic() > self._valid_until - _RENEW_BEFORE_S:
                self._token, lifetime = await self._source.token()
                self._valid_until = time.monotonic() + lifetime
        return self._token


class StackCasting:
    """Makes actors of a stack: accounts for people, clients for systems."""

    def __init__(self, client: Client, stack: Stack) -> None:
        self._client = client
        self._bootstrap: Bootstrap = stack.bootstrap
        self._registrar = Actor(
            client,
            System(client, stack.bootstrap.client_id, stack.bootstrap.client_secret, ["gateway.accounts:write"]),
            "registrar",
        )

    def system(self, sandbox: SandboxClient) -> Actor:
        """A sandbox client with a secret."""
        secret = sandbox.client_secret or ""
        return Actor(self._client, System(self._client, sandbox.client_id, secret, sandbox.scopes), sandbox.name)

    def demo_user(self, user: DemoUser) -> Actor:
        """One of the stack's demo users."""
        return Actor(self._client, Browser(self._client, user.username, user.password), user.username, user.subject)

    async def person(self, key: str, name: str, language: str, role: str, organisation_id: str | None) -> Actor:
        """A person with an account, made now or at an earlier try."""
        # Not guessable, and the same again for the same act: the account's Idempotency-Key covers the password.
        password = hmac.new(self._bootstrap.client_secret.encode(), f"pilot {key}".encode(), "sha256").hexdigest()[:32]
        username = f"{key}@pilot.example"
        body = {
            "username": username,
            "password": password,
            "display_name": name,
            "language": language,
            "roles": [role],
            "organisation_id": organisation_id,
        }
        account = await self._registrar.post("/gateway/v1/accounts", body, f"account:{key}")
        return Actor(self._client, Browser(self._client, username, password), key, account["subject"])
