"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cme_kit.settings import BusSettings
from pydantic import AfterValidator, Field, SecretStr

from gateway.upstream.domain import Provider


def _different(providers: list[Provider]) -> list[Provider]:
    for values in ([provider.id for provider in providers], [provider.issuer for provider in providers]):
        if len(set(values)) < len(values):
            raise ValueError("two providers have the same id or issuer")
    return providers


class Settings(BusSettings):
    """What the gateway needs besides what every deployable needs."""

    #: Base URL of each service by its name, as JSON: `{"enrolment": "http://127.0.0.1:8801", …}`.
    upstreams: dict[str, str]
    #: Folder of the keys that sign access tokens; the first key is made at the first start.
    signing_keys_dir: Path
    #: Days after which the key that signs tokens is followed by the next one.
    signing_key_days: int = Field(default=30, ge=1)
    #: Secret that keys the stored hashes of client secrets and form tokens; losing it voids every client secret.
    client_secret_pepper: Annotated[SecretStr, Field(min_length=16)]
    #: The client that may create accounts and clients, so that there is a first one.
    bootstrap_client_id: str
    bootstrap_client_secret: Annotated[SecretStr, Field(min_length=16)]
    #: Other OpenID providers that people may sign in with, as JSON: `[{"id": "eu-login", "name": "EU Login", "issuer":
    #: "https://…", "client_id": "…", "client_secret": "…"}]`; `upstream/domain.py` has every field.
    upstream_providers: Annotated[list[Provider], AfterValidator(_different)] = Field(default=[])
    #: Host and TCP port of the SMTP relay that takes mails about accounts.
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=25, ge=1, le=65535)
    #: Their sender, as `Name <address>`; its domain is that of every Message-ID.
    mail_from: str = "Cluster Manager Education <accounts@clustereducation.example>"
    #: Addresses or networks of load balancers before the gateway, comma separated: only from there is X-Forwarded-For
    #: believed. Without it every client of a load balancer has the balancer's address.
    trusted_proxies: str = ""
    #: Base URL of each service of the sandbox, in the same form; without them there is no sandbox.
    sandbox_upstreams: dict[str, str] = Field(default={})
    #: The table of routes and limits (`edge/routes.toml` says how); the packaged one unless another is named.
    routes_file: Path | None = None
    #: Instead of what the table has for everybody: requests per second in the long run, at once after a pause, in a day.
    rate_per_second: int | None = Field(default=None, ge=1)
    rate_burst: int | None = Field(default=None, ge=1)
    quota_per_day: int | None = Field(default=None, ge=1)
    #: Seconds that a request may take in all.
    deadline_seconds: float = Field(default=15, gt=0)
    #: The gateway's account on the sandbox's bus, whose events go to the webhooks of sandbox clients; without it none do.
    sandbox_nats_user: str | None = None
    sandbox_nats_password: SecretStr | None = None
    #: NATS server(s) of the sandbox, comma separated; those of the live bus, which keeps accounts apart, unless said.
    sandbox_nats_url: str | None = None
    #: Whether webhooks may be sent to this machine, by http too: for a developer's own stack and for tests.
    webhook_private_addresses: bool = False
    #: Seconds that a receiver of webhooks may take to answer.
    webhook_timeout_seconds: float = Field(default=20, gt=0, le=30)
