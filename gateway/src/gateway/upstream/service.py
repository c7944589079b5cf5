"""Signing in by another provider: there and back, a first time, linked and unlinked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import DuplicateKeyError
from cme_kit.outbox import Outbox, Transaction
from cme_kit.problems import Conflict, NotFound

from gateway.accounts.domain import Account, Method, Visit
from gateway.accounts.repository import AccountRepository
from gateway.accounts.service import SignedIn
from gateway.accounts.sessions import Sessions
from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.mail.domain import Kind
from gateway.mail.service import Mail
from gateway.passkeys.repository import PasskeyRepository
from gateway.peppered import Pepper
from gateway.upstream.client import NotVouchedFor, ProviderClient
from gateway.upstream.domain import ATTEMPT_LIFETIME, Attempt, Identity, Link
from gateway.upstream.repository import LinkRepository
from gateway.upstream.sealed import Seal

#: Whoever another provider vouches for may do no more than whoever signs up here.
FIRST_ROLES = frozenset({"developer"})
NAMELESS = "–"


class Denied(Exception):
    """The person did not want to, or the provider did not let them."""


class LinkedElsewhere(Conflict):
    """Another account has this provider's person already."""

    code = "linked_elsewhere"


class LastWayIn(Conflict):
    """Without this link nobody could sign in to the account."""

    code = "last_way_in"


class Upstreams:
    """Every configured provider. What a browser carries between two pages is sealed, so nothing is stored for strangers."""

    def __init__(
        self,
        clients: Mapping[str, ProviderClient],
        links: LinkRepository,
        accounts: AccountRepository,
        passkeys: PasskeyRepository,
        sessions: Sessions,
        pepper: Pepper,
        mail: Mail,
        audit: Audit,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._links = links
        self._accounts = accounts
        self._passkeys = passkeys
        self._sessions = sessions
        self._pepper = pepper
        self._mail = mail
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._attempts = Seal(pepper, "upstream attempt")
        self._identities = Seal(pepper, "upstream identity")
        #: Names of providers by their id, and by their issuer.
        self.names = {id_: client.provider.name for id_, client in clients.items()}
        self.issuer_names = {client.provider.issuer: client.provider.name for client in clients.values()}

    async def begin(self, provider: str, return_to: str, linking: str | None = None) -> tuple[str, str]:
        """Where the person signs in, and what the browser keeps meanwhile. Raises NotFound or ProviderUnavailable."""
        client = self._client(provider)
        state = secrets.token_urlsafe(32)
        url = await client.authorization_url(state, self._nonce(state), self._verifier(state))
        attempt = Attempt(provider, state, return_to, linking)
        return url, self._attempts.close(asdict(attempt), self._clock.now() + ATTEMPT_LIFETIME)

    async def arrive(self, provider: str, answer: Mapping[str, str], kept: str | None) -> tuple[Attempt, Identity]:
        """Who came back. Raises Denied, NotVouchedFor, NotFound or ProviderUnavailable.

        `kept` is what `begin` gave this browser: an answer to another browser, or to another attempt, is nobody's.
        """
        client = self._client(provider)
        fields = self._attempts.open(kept, self._clock.now())
        attempt = Attempt(**fields) if fields else None
        if attempt is None or attempt.provider != provider:
            raise NotVouchedFor("attempt")
        if not secrets.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise NotVouchedFor("state")
        await client.check_issuer(answer.get("iss"))
        if "error" in answer:
            raise Denied(answer["error"])
        state = attempt.state
        code = answer.get("code", "")
        if not code:
            raise NotVouchedFor("code")
        identity = await client.identify(code, self._nonce(state), self._verifier(state), self._clock.now())
        return attempt, identity

    async def sign_in(self, identity: Identity, visit: Visit, instead_of: str | None) -> SignedIn | None:
        """A session of the account that the identity is linked to; None when there is none yet."""
        subject = await self._links.subject_of(identity.issuer, identity.sub)
        account = await self._accounts.find(subject) if subject else None
        return await self._begin(account, identity, visit, instead_of) if account else None

    def seal(self, identity: Identity, return_to: str) -> str:
        """What the browser keeps while the person decides whether to make an account."""
        fields = {**asdict(identity), "return_to": return_to}
        return self._identities.close(fields, self._clock.now() + ATTEMPT_LIFETIME)

    def unseal(self, kept: str | None) -> tuple[Identity, str] | None:
        """The identity that we sealed, and where its person wanted to go."""
        fields = self._identities.open(kept, self._clock.now())
        if fields is None:
            return None
        return_to = fields.pop("return_to")
        return Identity(**fields), return_to

    async def create(self, identity: Identity, language: str, visit: Visit, instead_of: str | None) -> SignedIn:
        """An account of its own for a new identity, and its session. Raises LinkedElsewhere.

        It is never one that exists already: whoever controls an address at a provider need not be who has it here.
        """
        subject = new_id("per")
        account = Account(subject, subject, identity.name or NAMELESS, language, FIRST_ROLES, None)
        now = self._clock.now()

        async def store(tx: Transaction) -> None:
            await self._links.add(Link(identity.issuer, identity.sub, subject, now), tx.session)
            await self._accounts.add(account, now, tx.session)
            details = {"by": "upstream", "issuer": identity.issuer}
            await self._audit.record(
                Act.ACCOUNT_CREATED, actor=subject, subject=subject, details=details, session=tx.session
            )

        await self._unless_linked(store)
        return await self._begin(account, identity, visit, instead_of)

    async def link(self, person: SignedIn, identity: Identity) -> None:
        """Let a provider's person sign in to this account too. Raises LinkedElsewhere."""
        subject = person.account.subject
        known = await self._links.subject_of(identity.issuer, identity.sub)
        if known == subject:
            return

        async def store(tx: Transaction) -> None:
            await self._links.add(Link(identity.issuer, identity.sub, subject, self._clock.now()), tx.session)
            details = {"issuer": identity.issuer}
            await self._audit.record(
                Act.UPSTREAM_LINKED, actor=subject, subject=subject, details=details, session=tx.session
            )
            await self._mail.tell(person.account, Kind.SIGN_IN_LINKED, tx)

        await self._unless_linked(store)

    async def unlink(self, person: SignedIn, issuer: str, sub: str) -> None:
        """End a link. Raises LastWayIn or NotFound."""
        account = person.account
        passkeys = await self._passkeys.of(account.subject)

        async def remove(tx: Transaction) -> None:
            links = await self._links.of(account.subject, tx.session)
            if account.password_hash is None and not passkeys and len(links) == 1:
                raise LastWayIn("Add a passkey or another provider first: nobody could sign in otherwise.")
            if not await self._links.remove(account.subject, issuer, sub, tx.session):
                raise NotFound("link")
            await self._audit.record(
                Act.UPSTREAM_UNLINKED,
                actor=account.subject,
                subject=account.subject,
                details={"issuer": issuer},
                session=tx.session,
            )

        await self._outbox.transaction(remove)

    async def of(self, subject: str) -> list[Link]:
        """The links of an account."""
        return await self._links.of(subject)

    async def _begin(self, account: Account, identity: Identity, visit: Visit, instead_of: str | None) -> SignedIn:
        cookie, session = await self._sessions.begin(
            account.subject, Method.UPSTREAM, visit, issuer=identity.issuer, instead_of=instead_of
        )
        return SignedIn(cookie, account, session)

    async def _unless_linked(self, store: Any) -> None:
        try:
            await self._outbox.transaction(store)
        except DuplicateKeyError as error:
            raise LinkedElsewhere("Another account here has this identity already.") from error

    def _client(self, provider: str) -> ProviderClient:
        if provider not in self._clients:
            raise NotFound("provider")
        return self._clients[provider]

    def _nonce(self, state: str) -> str:
        return self._pepper.derive("upstream nonce", state)

    def _verifier(self, state: str) -> str:
        # Known to nobody who sees the authorization request, and kept nowhere.
        return self._pepper.derive("upstream verifier", state)
