"""The part of the composition root that is about people: accounts, sessions, what they consented to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import aiohttp
from cme_kit.clock import Clock
from cme_kit.leases import Lease
from cme_kit.mongo import Database
from cme_kit.outbox import Outbox, Transaction
from cme_kit.pages import Pages
from cme_kit.tasks import Tasks
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gateway.accounts import pages as login
from gateway.accounts import repository as account_rows
from gateway.accounts import router as accounts_api
from gateway.accounts import throttle_repository as throttle_rows
from gateway.accounts.browser import Browser
from gateway.accounts.login_page import LoginPage
from gateway.accounts.passwords import Passwords
from gateway.accounts.people import NotSignedIn, to_sign_in
from gateway.accounts.profiles import Profiles
from gateway.accounts.service import Accounts
from gateway.accounts.sessions import Sessions
from gateway.accounts.throttle import Throttle
from gateway.audit.service import Audit
from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.mail import repository as letter_rows
from gateway.mail.domain import Kind
from gateway.mail.service import Links, Mail
from gateway.oauth import consent_repository as consent_rows
from gateway.oauth.consents import Consents
from gateway.oauth.revocations import Revocations
from gateway.passkeys import pages as passkey_pages
from gateway.passkeys import repository as passkey_rows
from gateway.passkeys.service import Passkeys
from gateway.peppered import Pepper
from gateway.selfservice import pages as selfservice
from gateway.selfservice.account_page import AccountPage
from gateway.selfservice.erasure import Erasure
from gateway.settings import Settings
from gateway.signup import pages as signup_pages
from gateway.signup import repository as signup_rows
from gateway.signup.service import SignUps
from gateway.upstream import pages as upstream_pages
from gateway.upstream import repository as link_rows
from gateway.upstream.client import ProviderClient
from gateway.upstream.documents import Documents
from gateway.upstream.service import Upstreams

INDEXES = (
    *account_rows.INDEXES,
    *consent_rows.INDEXES,
    *passkey_rows.INDEXES,
    *link_rows.INDEXES,
    *letter_rows.INDEXES,
    *signup_rows.INDEXES,
    *throttle_rows.INDEXES,
)
#: How long a letter waits at most when another process wrote it.
MAIL_SECONDS = 2.0
SCRIPTS = Path(str(files("gateway") / "static"))
ROUTERS = (
    login.router,
    accounts_api.router,
    passkey_pages.router,
    upstream_pages.router,
    signup_pages.router,
    selfservice.router,
)


@dataclass(frozen=True)
class Ground:
    """What the gateway's other parts have built already."""

    settings: Settings
    database: Database
    outbox: Outbox
    clock: Clock
    pepper: Pepper
    audit: Audit
    clients: Clients
    revocations: Revocations
    passwords: Passwords


@dataclass(frozen=True)
class People:
    """What handlers are provided with, and what runs beside them."""

    provided: dict[type, object]
    accounts: Accounts
    http: aiohttp.ClientSession
    mail: Mail
    erasure: Erasure

    async def webhook_disabled(self, tx: Transaction, client: Client) -> None:
        """Write to who made a client that a webhook of it is disabled."""
        owner = await self.accounts.find(client.owner) if client.owner else None
        if owner is not None:
            await self.mail.tell(owner, Kind.WEBHOOK_DISABLED, tx)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the gateway stops."""
        tasks = Tasks()
        tasks.every(MAIL_SECONDS, "mail", self.mail.send_due, self.mail.woken)
        async with self.http:
            yield
            await tasks.stop()
            await self.mail.resign()


def install(app: FastAPI) -> None:
    """Routes and error handlers."""
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/assets/gateway", StaticFiles(directory=SCRIPTS), "scripts")
    app.add_exception_handler(NotSignedIn, to_sign_in)


def compose(on: Ground) -> People:
    """Build it. Call it where the event loop runs."""
    http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    repository = account_rows.AccountRepository(on.database)
    failures = account_rows.FailureRepository(on.database)
    pages, browser = Pages("gateway"), Browser(on.pepper, on.settings.public_url)
    throttle = Throttle(throttle_rows.ThrottleRepository(on.database), on.pepper, on.clock)
    links = Links(on.pepper, on.settings.public_url)
    letters = letter_rows.LetterRepository(on.database)
    mail = Mail(
        letters,
        links,
        Lease(on.database, "mail", on.clock),
        on.clock,
        (on.settings.smtp_host, on.settings.smtp_port),
        on.settings.mail_from,
    )
    session_repository = account_rows.SessionRepository(on.database)
    sessions = Sessions(session_repository, on.audit, on.clock)
    accounts = Accounts(repository, sessions, failures, on.passwords, throttle, on.pepper, on.audit, on.clock)
    consent_repository = consent_rows.ConsentRepository(on.database)
    consents = Consents(consent_repository, on.clients, on.revocations, on.audit, on.outbox, on.clock)
    passkey_repository = passkey_rows.PasskeyRepository(on.database)
    passkeys = Passkeys(
        passkey_repository,
        passkey_rows.ChallengeRepository(on.database),
        repository,
        sessions,
        throttle,
        mail,
        on.audit,
        on.outbox,
        on.clock,
        on.settings.public_url,
    )
    link_repository = link_rows.LinkRepository(on.database)
    upstreams = Upstreams(
        {
            provider.id: ProviderClient(
                provider,
                Documents(provider.issuer, http),
                f"{on.settings.public_url}/login/upstream/{provider.id}/callback",
            )
            for provider in on.settings.upstream_providers
        },
        link_repository,
        *(repository, passkey_repository, sessions, on.pepper, mail, on.audit, on.outbox, on.clock),
    )
    profiles = Profiles(accounts, repository, sessions, on.passwords, mail, on.audit, on.outbox)
    sign_up_repository = signup_rows.SignUpRepository(on.database)
    sign_ups = SignUps(
        *(sign_up_repository, repository, profiles, sessions, on.passwords, throttle),
        *(mail, links, on.audit, on.outbox, on.clock),
    )
    provided: dict[type, object] = {
        Accounts: accounts,
        AccountPage: AccountPage(pages, browser, sessions, passkeys, upstreams, consents, on.clock),
        Browser: browser,
        Consents: consents,
        signup_pages.Forms: signup_pages.Forms(pages, browser),
        LoginPage: LoginPage(pages, browser, passkeys=passkeys.are_possible, providers=upstreams.names),
        Mail: mail,
        Pages: pages,
        Passkeys: passkeys,
        Profiles: profiles,
        Sessions: sessions,
        SignUps: sign_ups,
        Upstreams: upstreams,
    }
    erasure = Erasure(
        *(repository, session_repository, consent_repository, passkey_repository, link_repository),
        *(sign_up_repository, letters, on.audit, on.clock),
    )
    return People(provided, accounts, http, mail, erasure)
