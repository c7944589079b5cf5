"""The applications of a partner's developer: making, changing and ending them, their secrets, and access to real data."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cme_kit.clock import Clock
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import Conflict, NotFound

from gateway.accounts.domain import Account
from gateway.accounts.service import Accounts
from gateway.clients.domain import Client, ClientStatus, Profile
from gateway.clients.schemas import ClientRequest, ClientView
from gateway.clients.service import ClientExists, Clients
from gateway.mail.domain import Kind as LetterKind
from gateway.mail.service import Mail
from gateway.oauth.scopes import in_order
from gateway.peppered import Pepper, fingerprint
from gateway.portal.domain import DECIDERS, MOST_APPLICATIONS, Kind, auth_method_of, grants_of, kind_of
from gateway.portal.permissions import live_scopes, scopes_for
from gateway.webhooks.service import MOST_WEBHOOKS, Webhooks

APPLICATION = "portal application"
ID_DIGITS = 20
#: A form that is sent again, because somebody reloads its answer, is answered alike for so long.
SAME_ANSWER = timedelta(minutes=15)
#: Requests for access to real data that are shown at once.
MOST_SHOWN = 200
_ONCE = re.compile(r"[A-Za-z0-9_-]{20,64}")


class TooManyApplications(Conflict):
    """A person has as many applications as one may have."""

    code = "too_many_applications"


class NothingForLive(Conflict):
    """Nothing of what an application may do in the sandbox is open to it outside."""

    code = "nothing_for_live"


@dataclass(frozen=True)
class Credentials:
    """What the answer to a form shows this once; `secret` is None for who authenticates otherwise, or comes too late."""

    client: Client
    secret: str | None


def new_once() -> str:
    """A value for the hidden field of a form that makes something: sent again, it makes nothing more."""
    return secrets.token_urlsafe(18)


class Portal:
    """What a signed-in person does with the own applications; another's is as if it were not there."""

    def __init__(
        self,
        clients: Clients,
        webhooks: Webhooks,
        accounts: Accounts,
        mail: Mail,
        pepper: Pepper,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._webhooks = webhooks
        self._accounts = accounts
        self._mail = mail
        self._pepper = pepper
        self._outbox = outbox
        self._clock = clock

    async def applications(self, person: Account) -> list[ClientView]:
        """A person's applications, oldest first."""
        return sorted(await self._clients.owned_by(person.subject), key=lambda client: client.created_at)

    async def clients(self, person: Account) -> list[Client]:
        """The same as clients of the authorization server."""
        found = [await self._clients.find(view.client_id) for view in await self.applications(person)]
        return [client for client in found if client is not None]

    async def application(self, person: Account, client_id: str) -> Client:
        """One of a person's applications. Raises NotFound."""
        client = await self._clients.find(client_id)
        return _own(person, client)

    async def start(self, person: Account, name: str, once: str) -> Credentials:
        """An application of the sandbox that may do everything there, in one step. Raises TooManyApplications."""
        kind = Kind.SYSTEM
        request = ClientRequest(
            name=name,
            grant_types=grants_of(kind),  # type: ignore[arg-type]  # checked by the model
            token_endpoint_auth_method=auth_method_of(kind, has_keys=False),  # type: ignore[arg-type]
            scopes=in_order(scopes_for(kind)),
            sandbox=True,
        )
        return await self.create(person, request, once)

    async def create(self, person: Account, request: ClientRequest, once: str) -> Credentials:
        """Register an application of the sandbox. Raises TooManyApplications."""
        return await self._register(person, request, once, ClientStatus.ACTIVE)

    async def ask_for_live(self, person: Account, client_id: str, once: str) -> Credentials:
        """Register the like of a sandbox application for real data; it waits until somebody approves it.

        Raises NotFound, NothingForLive or TooManyApplications.
        """
        client = await self.application(person, client_id)
        if not client.sandbox:
            raise NotFound("application")
        scopes = live_scopes(kind_of(client), client.scopes, person)
        if not scopes:
            raise NothingForLive("Nothing of what this application may do is open to partners outside the sandbox.")
        request = ClientRequest(
            name=client.name,
            redirect_uris=list(client.redirect_uris),
            grant_types=sorted(client.grant_types),  # type: ignore[arg-type]  # checked by the model
            token_endpoint_auth_method=client.auth_method,  # type: ignore[arg-type]
            jwks=client.jwks,
            scopes=in_order(scopes),
            organisation_id=person.organisation_id,
            profile=client.profile,
            origins=list(client.origins),
        )
        return await self._register(person, request, once, ClientStatus.PENDING)

    async def change(self, person: Account, client_id: str, request: ClientRequest) -> None:
        """Change an application. What was approved stays as it was: a live one keeps its name and scopes.

        Raises NotFound.
        """

        async def work(tx: Transaction) -> None:
            client = await self._existing(tx, person, client_id)
            changed = replace(
                client,
                redirect_uris=tuple(request.redirect_uris),
                origins=tuple(request.origins),
                auth_method=request.token_endpoint_auth_method,
                jwks=request.jwks,
                secrets=client.secrets if request.jwks is None else (),
                profile=request.profile,
                dpop_bound=request.profile is Profile.FAPI,
            )
            if client.sandbox:
                changed = replace(changed, name=request.name, scopes=frozenset(request.scopes))
            if changed != client:
                await self._clients.change(tx, changed, person.subject, "settings")

        await self._outbox.transaction(work)

    async def remove(self, person: Account, client_id: str) -> None:
        """End an application with its webhooks; its tokens end within a second. Raises NotFound."""

        async def work(tx: Transaction) -> None:
            client = await self._existing(tx, person, client_id)
            for webhook in await self._webhooks.page(client, None, MOST_WEBHOOKS):
                await self._webhooks.remove(tx, client, webhook.webhook_id, person.subject)
            await self._clients.remove(tx, client_id, person.subject)

        await self._outbox.transaction(work)

    async def add_secret(self, person: Account, client_id: str, once: str) -> Credentials:
        """Give an application its next secret. Raises NotFound, NoSecrets or TooManySecrets."""
        key = usable(once)

        async def work(tx: Transaction) -> Credentials:
            client = await self._existing(tx, person, client_id)
            secret = self._clients.new_secret(person.subject, client_id, key, sandbox=client.sandbox)
            if self._clients.secret_matches(client, secret):
                return self._again(client, secret)
            await self._clients.add_secret(tx, client_id, secret, person.subject)
            return Credentials(await self._clients.existing(client_id, tx), secret)

        return await self._outbox.transaction(work)

    async def remove_secret(self, person: Account, client_id: str, hint: str) -> None:
        """End a secret by its last characters. Raises NotFound or LastSecret."""

        async def work(tx: Transaction) -> None:
            await self._existing(tx, person, client_id)
            await self._clients.remove_secret(tx, client_id, hint, person.subject)

        await self._outbox.transaction(work)

    def now(self) -> datetime:
        """This moment."""
        return self._clock.now()

    def days_since(self, moment: datetime) -> int:
        """Whole days that have passed since a moment."""
        return (self._clock.now() - moment).days

    async def waiting(self, decider: Account) -> list[Client]:
        """Applications that ask for real data. Raises NotFound for who does not decide about them."""
        _require_decider(decider)
        return await self._clients.waiting(MOST_SHOWN)

    async def decide(self, decider: Account, client_id: str, *, approve: bool) -> None:
        """Approve or refuse an application that waits, and write to its owner; nobody decides about the own one.

        Raises NotFound.
        """
        _require_decider(decider)

        async def work(tx: Transaction) -> None:
            client = await self._clients.existing(client_id, tx)
            if client.status is not ClientStatus.PENDING or client.owner == decider.subject:
                raise NotFound("request")
            status = ClientStatus.ACTIVE if approve else ClientStatus.DISABLED
            await self._clients.set_status(tx, client_id, status, decider.subject)
            owner = await self._accounts.find(client.owner) if client.owner else None
            if owner is not None:
                await self._mail.tell(owner, LetterKind.ACCESS_APPROVED if approve else LetterKind.ACCESS_REFUSED, tx)

        await self._outbox.transaction(work)

    async def _register(self, person: Account, request: ClientRequest, once: str, status: ClientStatus) -> Credentials:
        subject, key = person.subject, usable(once)
        digits = fingerprint(self._pepper.derive(APPLICATION, subject, key))[:ID_DIGITS]
        client_id = f"{'test' if request.sandbox else 'cl'}_{digits}"
        named = request.model_copy(update={"client_id": client_id})
        secret = self._clients.new_secret(subject, client_id, key, sandbox=request.sandbox)

        async def work(tx: Transaction) -> None:
            if await self._clients.is_known(tx, client_id):
                raise ClientExists("This form was sent before.")
            if await self._clients.count_owned(tx, subject) >= MOST_APPLICATIONS:
                raise TooManyApplications(
                    f"You have {MOST_APPLICATIONS} applications. Remove one that is not in use any more."
                )
            await self._clients.register(tx, named, secret, subject, owner=subject, status=status)

        try:
            await self._outbox.transaction(work)
        except ClientExists:
            # The same form came before: nothing is made twice, and its answer was perhaps never seen.
            return self._again(await self.application(person, client_id), secret)
        client = await self.application(person, client_id)
        return Credentials(client, secret if client.secrets else None)

    def _again(self, client: Client, secret: str) -> Credentials:
        since = next((stored.created for stored in client.secrets if secret.endswith(stored.hint)), None)
        fresh = since is not None and self._clock.now() - since < SAME_ANSWER
        return Credentials(client, secret if fresh and self._clients.secret_matches(client, secret) else None)

    async def _existing(self, tx: Transaction, person: Account, client_id: str) -> Client:
        return _own(person, await self._clients.existing(client_id, tx))


def _own(person: Account, client: Client | None) -> Client:
    if client is None or client.owner != person.subject or client.status is ClientStatus.REMOVED:
        raise NotFound("application")
    return client


def _require_decider(person: Account) -> None:
    if not DECIDERS & person.roles:
        raise NotFound("page")


def usable(once: str) -> str:
    """The value of a form, or a new one for a form without."""
    return once if _ONCE.fullmatch(once) else new_once()
