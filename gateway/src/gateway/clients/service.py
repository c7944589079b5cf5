"""Registering clients, changing them, and checking their secrets."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from cme_kit.clock import Clock
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound, Unprocessable

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.clients.domain import MOST_SECRETS, Client, ClientSecret, ClientStatus, Profile
from gateway.clients.repository import ClientRepository
from gateway.clients.schemas import ClientRequest, ClientView, SecretView
from gateway.oauth.scopes import in_order
from gateway.peppered import Pepper

SECRET_HASH = "client secret hash"
SECRET = "client secret"
#: Clients in memory; a token request would otherwise ask the database for its client.
REMEMBERED = 20_000
#: What was changed by another replica is looked for this far back, for clocks that differ.
OVERLAP = timedelta(seconds=10)
HINT_LENGTH = 4


class ClientExists(Conflict):
    """The id is taken."""

    code = "client_exists"


class TooManySecrets(Conflict):
    """A client has two secrets already."""

    code = "too_many_secrets"


class LastSecret(Conflict):
    """A client that authenticates with a secret needs one."""

    code = "last_secret"


class NoSecrets(Unprocessable):
    """The client authenticates without a secret."""

    code = "no_secrets"


class Clients:
    """The client registry."""

    def __init__(self, repository: ClientRepository, pepper: Pepper, audit: Audit, clock: Clock) -> None:
        self._repository = repository
        self._pepper = pepper
        self._audit = audit
        self._clock = clock
        self._known: OrderedDict[str, Client] = OrderedDict()
        self._looked = clock.now()
        #: Told the id of each client that changed here, so that other replicas hear of it.
        self.on_change: Callable[[str], None] = lambda _client_id: None
        #: Done with the id of a client in the transaction that removes it.
        self.with_removal: list[Callable[[Transaction, str], Awaitable[None]]] = []

    async def ensure_bootstrap(self, client_id: str, secret: str) -> None:
        """Make the client that registers the others be as the settings say."""
        now = self._clock.now()
        bootstrap = Client(
            client_id=client_id,
            name="Bootstrap",
            redirect_uris=(),
            grant_types=frozenset({"client_credentials"}),
            auth_method="client_secret_basic",
            scopes=frozenset(
                {"gateway.accounts:write", "gateway.clients:write", "gateway.keys:write", "gateway.audit:read"}
            ),
            secrets=(self._stored(secret, now),),
            created=now,
        )
        await self._repository.put(bootstrap, now)

    def new_secret(self, registrar: str, client_id: str | None, once_key: str | None, *, sandbox: bool = False) -> str:
        """A client secret of 256 bits, with what it opens in front.

        With an idempotency key it is derived from it, so that a repeated registration gets the same secret again
        although no secret is ever stored.
        """
        random = secrets.token_urlsafe(32)
        if once_key is not None:
            random = self._pepper.derive(SECRET, registrar, client_id or "", once_key)
        return f"cme_{'test' if sandbox else 'live'}_{random}"

    async def register(
        self,
        tx: Transaction,
        request: ClientRequest,
        secret: str,
        registrar: str,
        *,
        owner: str | None = None,
        status: ClientStatus = ClientStatus.ACTIVE,
        self_registered: bool = False,
    ) -> ClientView:
        """Store a client. Raises ClientExists."""
        now = self._clock.now()
        has_secret = request.token_endpoint_auth_method == "client_secret_basic"
        prefix = "test" if request.sandbox else "cl"
        client = Client(
            client_id=request.client_id or f"{prefix}_{secrets.token_hex(10)}",
            name=request.name,
            redirect_uris=tuple(request.redirect_uris),
            grant_types=frozenset(request.grant_types),
            auth_method=request.token_endpoint_auth_method,
            scopes=frozenset(request.scopes),
            secrets=(self._stored(secret, now),) if has_secret else (),
            jwks=request.jwks,
            organisation_id=request.organisation_id,
            profile=request.profile,
            status=status,
            sandbox=request.sandbox,
            dpop_bound=request.dpop_bound_access_tokens or request.profile is Profile.FAPI,
            self_registered=self_registered,
            owner=owner,
            origins=tuple(request.origins),
            about=request.about(),
            created=now,
        )
        try:
            await self._repository.add(client, now, tx.session)
        except DuplicateKeyError as error:
            raise ClientExists("There is a client with this id already. Choose another id.") from error
        details = {"status": status.value, "sandbox": str(client.sandbox).lower(), "profile": client.profile.value}
        await self._audit.record(
            Act.CLIENT_REGISTERED, actor=registrar, subject=client.client_id, details=details, session=tx.session
        )
        return view_of(client)

    async def change(self, tx: Transaction, client: Client, actor: str, what: str) -> None:
        """Store what a client has become; `what` says in a word what changed."""
        await self._repository.change(client, self._clock.now(), tx.session)
        await self._audit.record(
            Act.CLIENT_CHANGED, actor=actor, subject=client.client_id, details={"what": what}, session=tx.session
        )
        tx.after_commit(lambda: self._changed(client.client_id))

    async def set_status(self, tx: Transaction, client_id: str, status: ClientStatus, actor: str) -> ClientView:
        """Approve or disable a client. Raises NotFound."""
        changed = replace(await self.existing(client_id, tx), status=status)
        await self.change(tx, changed, actor, status.value)
        return view_of(changed)

    async def remove(self, tx: Transaction, client_id: str, actor: str) -> None:
        """Forget a client; nobody takes its tokens any more. Raises NotFound."""
        if not await self._repository.remove(client_id, self._clock.now(), tx.session):
            raise NotFound("client")
        for act in self.with_removal:
            await act(tx, client_id)
        await self._audit.record(Act.CLIENT_REMOVED, actor=actor, subject=client_id, session=tx.session)
        tx.after_commit(lambda: self._changed(client_id))

    async def add_secret(self, tx: Transaction, client_id: str, secret: str, actor: str) -> SecretView:
        """Give a client a second secret; both hold until one is removed. Raises NoSecrets or TooManySecrets."""
        client = await self.existing(client_id, tx)
        if client.auth_method != "client_secret_basic":
            raise NoSecrets("This client authenticates without a secret.")
        if len(client.secrets) >= MOST_SECRETS:
            raise TooManySecrets("This client has two secrets. Remove the one that is not in use any more.")
        stored = self._stored(secret, self._clock.now())
        changed = replace(client, secrets=(*client.secrets, stored))
        await self._repository.change(changed, stored.created, tx.session)
        await self._audit.record(
            Act.SECRET_ADDED, actor=actor, subject=client_id, details={"hint": stored.hint}, session=tx.session
        )
        tx.after_commit(lambda: self._changed(client_id))
        return SecretView(hint=stored.hint, created_at=stored.created)

    async def remove_secret(self, tx: Transaction, client_id: str, hint: str, actor: str) -> None:
        """End a secret. Raises NotFound, or LastSecret for the only one."""
        client = await self.existing(client_id, tx)
        kept = tuple(secret for secret in client.secrets if secret.hint != hint)
        if len(kept) == len(client.secrets):
            raise NotFound("secret")
        if not kept:
            raise LastSecret("This is the client's only secret. Add the next one before you remove it.")
        await self._repository.change(replace(client, secrets=kept), self._clock.now(), tx.session)
        await self._audit.record(
            Act.SECRET_REMOVED, actor=actor, subject=client_id, details={"hint": hint}, session=tx.session
        )
        tx.after_commit(lambda: self._changed(client_id))

    async def existing(self, client_id: str, tx: Transaction) -> Client:
        """The client as it is in a transaction. Raises NotFound."""
        client = await self._repository.find(client_id, tx.session)
        if client is None or client.status is ClientStatus.REMOVED:
            raise NotFound("client")
        return client

    async def find(self, client_id: str) -> Client | None:
        """The client with an id, from memory when it is known."""
        if (known := self._known.get(client_id)) is not None:
            return known
        client = await self._repository.find(client_id)
        if client is not None:
            self._known[client_id] = client
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return client

    async def active(self, client_id: str) -> Client | None:
        """The client with an id, if it may get and use tokens."""
        client = await self.find(client_id)
        return client if client is not None and client.is_active else None

    async def serves_origin(self, origin: str) -> bool:
        """Whether pages of an origin belong to an active client."""
        return await self._repository.is_origin(origin)

    def forget(self, client_id: str) -> None:
        """Read a client again when it is asked for next: it was changed."""
        self._known.pop(client_id, None)

    async def forget_changed(self) -> None:
        """Forget what other replicas changed since the last time."""
        now = self._clock.now()
        for client_id in await self._repository.changed_since(self._looked - OVERLAP):
            self.forget(client_id)
        self._looked = now

    def secret_matches(self, client: Client, secret: str) -> bool:
        """Whether this is one of the client's secrets."""
        return any(self._pepper.matches(stored.hash, SECRET_HASH, secret) for stored in client.secrets)

    async def page(self, after: str | None, limit: int) -> list[ClientView]:
        """Clients by id after a cursor, one more than `limit`."""
        return [view_of(client) for client in await self._repository.page(after, limit)]

    async def owned_by(self, subject: str) -> list[ClientView]:
        """The clients that a person made in the portal, by id."""
        return [view_of(client) for client in await self._repository.owned_by(subject)]

    async def is_known(self, tx: Transaction, client_id: str) -> bool:
        """Whether an id is taken, by a client that was removed too."""
        return await self._repository.find(client_id, tx.session) is not None

    async def count_owned(self, tx: Transaction, subject: str) -> int:
        """How many clients a person made in the portal.

        A limit on it holds in a transaction that registers one: all of them move the head of the audit trail, so that
        of two at once the later begins again and counts the other's.
        """
        return await self._repository.count_owned(subject, tx.session)

    async def waiting(self, limit: int) -> list[Client]:
        """Clients that somebody has yet to approve, by id."""
        return await self._repository.waiting(limit)

    def _changed(self, client_id: str) -> None:
        self.forget(client_id)
        self.on_change(client_id)

    def _stored(self, secret: str, now: datetime) -> ClientSecret:
        return ClientSecret(self._pepper.derive(SECRET_HASH, secret), secret[-HINT_LENGTH:], now)


def view_of(client: Client) -> ClientView:
    """A client as the API shows it."""
    return ClientView(
        client_id=client.client_id,
        name=client.name,
        redirect_uris=list(client.redirect_uris),
        grant_types=sorted(client.grant_types),
        token_endpoint_auth_method=client.auth_method,
        scopes=in_order(client.scopes),
        organisation_id=client.organisation_id,
        profile=client.profile,
        status=client.status,
        sandbox=client.sandbox,
        dpop_bound_access_tokens=client.dpop_bound,
        origins=list(client.origins),
        secrets=[SecretView(hint=secret.hint, created_at=secret.created) for secret in client.secrets],
        created_at=client.created,
    )
