"""Who calls an operation in these tests: a person of every role, or a system for the scopes that people do not get."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cme_local.pilot.actors import PUBLIC_CLIENT, Actor, Browser, System
from cme_local.pilot.client import Client, connected
from cme_local.stack import Stack
from gateway.oauth.scopes import MACHINE_SCOPES, ROLES

#: An account has at most so many roles; what the last ones may do, others may too.
MOST_ROLES = 10
#: A token is renewed when less than this is left of it.
RENEW_BEFORE_S = 60.0


#: Who applies for something has said who they are.
PROFILE = {
    "given_name": "Every",
    "family_name": "Body",
    "email": "everybody@pilot.example",
    "language": "en",
    "country": "LT",
}


class Callers:
    """Access tokens of one stack by the scope that is needed, renewed before they end."""

    def __init__(self, data: Path) -> None:
        self._stack = Stack.of_running(data)
        self._lock = threading.Lock()
        self._sources: dict[str, tuple[str, str]] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._of_people = set(self._stack.client(PUBLIC_CLIENT).scopes)

    def token_for(self, scopes: Sequence[str]) -> str:
        """A token with one of these scopes."""
        kind = "person" if self._of_people & set(scopes) else "system"
        with self._lock:
            token, valid_until = self._tokens.get(kind, ("", 0.0))
            if time.monotonic() > valid_until - RENEW_BEFORE_S:
                token, lifetime = asyncio.run(self._issue(kind))
                self._tokens[kind] = token, time.monotonic() + lifetime
            return token

    @property
    def clients(self) -> set[str]:
        """The clients that get these tokens."""
        return {PUBLIC_CLIENT, self._stack.bootstrap.client_id, self._sources.get("system", ("",))[0]}

    async def _issue(self, kind: str) -> tuple[str, float]:
        async with connected(self._stack.api) as client:
            if kind not in self._sources:
                create = self._create_person if kind == "person" else self._create_system
                self._sources[kind] = await create(client)
            name, secret = self._sources[kind]
            if kind == "system":
                return await System(client, name, secret, self._of_systems).token()
            person = Browser(client, name, secret)
            token, lifetime = await person.token()
            await client.send("PUT", "/enrolment/v1/people/me", token=token, json=PROFILE)
            return token, lifetime

    @property
    def _of_systems(self) -> list[str]:
        return sorted(MACHINE_SCOPES | {"gateway.audit:read"})

    async def _create_person(self, client: Client) -> tuple[str, str]:
        username, password = f"everybody-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        body = {
            "username": username,
            "password": password,
            "display_name": "Everybody",
            "language": "en",
            "roles": sorted(ROLES, key=lambda role: len(ROLES[role]), reverse=True)[:MOST_ROLES],
            "organisation_id": None,
        }
        await self._registrar(client).post("/gateway/v1/accounts", body, username)
        return username, password

    async def _create_system(self, client: Client) -> tuple[str, str]:
        client_id = f"everything-{secrets.token_hex(4)}"
        body = {
            "client_id": client_id,
            "name": "Everything",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scopes": self._of_systems,
        }
        created = await self._registrar(client).post("/gateway/v1/clients", body, client_id)
        return client_id, created["client_secret"]

    def _registrar(self, client: Client) -> Actor:
        known = self._stack.bootstrap
        scopes = ["gateway.accounts:write", "gateway.clients:write"]
        return Actor(client, System(client, known.client_id, known.client_secret, scopes), "registrar")
