"""Settings of a deployable: read from the environment once, refused at start when unknown or wrong."""

from __future__ import annotations

import os
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CME_"


class SettingsError(ValueError):
    """A setting that is missing, unknown or wrong; the message names it."""


class DeployableSettings(BaseSettings):
    """What every deployable needs, the gateway included."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    #: Address to listen on; only a container listens on all of them.
    host: str = "127.0.0.1"
    #: TCP port to listen on.
    port: int = Field(default=8080, ge=1, le=65535)
    #: The public base URL of this API, without a slash at the end: the audience of its tokens. Its path, if it has
    #: one, is where the API is served.
    public_url: str
    #: Connection string of MongoDB; transactions need a replica set.
    mongo_url: SecretStr
    #: `motor`, or `pymongo` for PyMongo's own asynchronous client.
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    #: Log lines as JSON, or coloured for a person.
    log_format: Literal["json", "console"] = "json"
    #: Base URL of an OTLP/HTTP receiver; no telemetry leaves the process without it.
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    @property
    def root_path(self) -> str:
        """The path of the public base URL, below which the API is served; empty for one that has a host to itself."""
        return urlsplit(self.public_url).path.rstrip("/")

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError for unknown `CME_*` keys and for wrong values."""
        known = {PREFIX + name.upper() for name in cls.model_fields}
        unknown = sorted(key for key in os.environ if key.startswith(PREFIX) and key not in known)
        if unknown:
            raise SettingsError(f"unknown settings: {', '.join(unknown)}")
        try:
            return cls.model_validate({})
        except ValueError as error:
            raise SettingsError(str(error)) from error


class BusSettings(DeployableSettings):
    """What a deployable with a connection to the bus needs besides."""

    #: NATS server(s), comma separated.
    nats_url: str
    #: NATS account of this deployable: it may do there only what is its own.
    nats_user: str
    nats_password: SecretStr
    #: Copies of each stream in the broker's cluster, at most as many as it has servers: 1, 3 or 5.
    nats_replicas: Annotated[Literal[1, 3, 5], BeforeValidator(int)] = 1


class ServiceSettings(BusSettings):
    """What a service needs besides: the keys of the tokens. It extends this with its own fields."""

    #: Where the gateway's public keys are read.
    jwks_url: str
    #: The gateway's base URL, which issues the tokens; the API's own, unless it is a second one like the sandbox.
    issuer: str = Field(default_factory=lambda read: str(read["public_url"]))
    #: In front of the name of this service's database, for a second set of services on the same server.
    database_prefix: str = Field(default="", pattern=r"^[a-z_]{0,20}$")
    #: Committed events that may wait for the broker before writes are refused.
    outbox_limit: int = Field(default=100_000, ge=1)
