"""The one table of what runs: the local stack, the container images and the Kubernetes manifests agree with it."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Group(StrEnum):
    """Groups stop in this order, so that nothing loses what it still writes to."""

    SERVICE = "service"
    GATEWAY = "gateway"
    OPERATIONS = "operations"
    ENGINE = "engine"


@dataclass(frozen=True)
class Deployable:
    """One of our own processes: `python -m <module>` from the distribution `<package>`."""

    name: str
    package: str
    module: str
    port_offset: int
    group: Group

    @property
    def command(self) -> tuple[str, ...]:
        """The start command, the same in the local stack and in the image."""
        return ("python", "-m", self.module)

    def argv(self) -> list[str]:
        """The same command on this interpreter."""
        return [sys.executable, *self.command[1:]]


SERVICES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")

DEPLOYABLES: tuple[Deployable, ...] = (
    *(Deployable(name, f"cme-{name}", name, offset, Group.SERVICE) for offset, name in enumerate(SERVICES, start=1)),
    Deployable("gateway", "cme-gateway", "gateway", 0, Group.GATEWAY),
)

ENGINES = ("nats", "mongo")
OPERATIONS_MODULE = "cme_local.ops"

# The deployables, the engines, and one process for trace store and mail catcher.
PROCESS_COUNT = len(DEPLOYABLES) + len(ENGINES) + 1


@dataclass(frozen=True)
class Ports:
    """The ports of a stack, counted from its base."""

    base: int

    def of(self, deployable: str) -> int:
        """The port of a service or of the gateway."""
        return self.base + next(d.port_offset for d in DEPLOYABLES if d.name == deployable)

    @property
    def traces(self) -> int:
        """OTLP/HTTP intake and the pages of the trace store."""
        return self.base + 6

    @property
    def smtp(self) -> int:
        """The mail catcher's SMTP port."""
        return self.base + 7

    @property
    def mail(self) -> int:
        """The mail catcher's pages."""
        return self.base + 8

    @property
    def nats(self) -> int:
        """NATS clients."""
        return self.base + 9

    @property
    def mongo(self) -> int:
        """The MongoDB wire protocol."""
        return self.base + 10

    @property
    def nats_monitoring(self) -> int:
        """NATS monitoring over HTTP."""
        return self.base + 11

    def url(self, port: int) -> str:
        """A loopback URL."""
        return f"http://127.0.0.1:{port}"

    @property
    def gateway_url(self) -> str:
        """The public base URL of a local stack, which is the OAuth issuer too."""
        return self.url(self.of("gateway"))

    def named(self) -> dict[str, int]:
        """Every port by the name of who listens there."""
        return {d.name: self.of(d.name) for d in DEPLOYABLES} | {
            "traces": self.traces,
            "smtp": self.smtp,
            "mail": self.mail,
            "nats": self.nats,
            "mongo": self.mongo,
            "nats_monitoring": self.nats_monitoring,
        }


def project_root() -> Path:
    """The checkout this package is installed from, or the working directory when it is not a checkout."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "uv.lock").is_file() and (folder / "cme").is_file():
            return folder
    return Path.cwd()
