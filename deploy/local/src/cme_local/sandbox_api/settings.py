"""Settings of the sandbox's process: one document in one variable, because five services would share their names."""

from __future__ import annotations

import os
from typing import Any, Self

from cme_kit.settings import DeployableSettings
from pydantic import BaseModel, ConfigDict

VARIABLE = "CME_SANDBOX"


class ProcessSettings(DeployableSettings):
    """What the process itself needs beside the services."""

    #: In front of the names of the sandbox's databases.
    database_prefix: str


class SandboxSettings(BaseModel):
    """What the process needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: By service, the fields of its settings.
    services: dict[str, dict[str, Any]]
    #: The fields of ProcessSettings.
    own: dict[str, Any]
    #: The gateway's base URL.
    issuer: str
    #: The mail catcher's base URL; without one no campaign is sent when it is filled.
    mail_url: str | None = None
    #: Seconds without a request after which the process ends.
    idle_seconds: float = 900.0

    @classmethod
    def load(cls) -> Self:
        """Read the environment."""
        return cls.model_validate_json(os.environ[VARIABLE])

    def of_process(self) -> ProcessSettings:
        """The settings of the process itself."""
        return ProcessSettings(**self.own)
