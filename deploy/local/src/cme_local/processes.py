"""The one table of what runs: the local stack, the container images and the Kubernetes manifests agree with it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
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
#: Who applies events of others, and keeps as dead letters those that cannot be.
CONSUMING = (*SERVICES, "gateway")

DEPLOYABLES: tuple[Deployable, ...] = (
    *(Deployable(name, f"cme-{name}", name, offset, Group.SERVICE) for offset, name in enumerate(SERVICES, start=1)),
    Deployable("gateway", "cme-gateway", "gateway", 0, Group.GATEWAY),
)

OPERATIONS_MODULE = "cme_local.ops"
SANDBOX_MODULE = "cme_local.sandbox_api"


@dataclass(frozen=True)
class NatsNode:
    """One server of the broker and its ports: for clients, for monitoring, for the routes of the others."""

    name: str
    port: int
    monitoring: int
    routes: int


@dataclass(frozen=True)
class Ports:
    """The ports of a stack, counted from its base."""

    base: int
    #: Servers of the broker: one, or a cluster of three.
    nats_nodes: int = 1
    #: By (node, node that it reaches), the port of an experiment's proxy between them.
    route_proxies: Mapping[tuple[str, str], int] = field(default_factory=dict)

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
        """NATS clients, of the first server."""
        return self.base + 9

    @property
    def mongo(self) -> int:
        """The MongoDB wire protocol."""
        return self.base + 10

    @property
    def nats_monitoring(self) -> int:
        """NATS monitoring over HTTP, of the first server."""
        return self.base + 11

    @property
    def sandbox(self) -> int:
        """The sandbox's five services, in one process that starts with the first request."""
        return self.base + 12

    @property
    def broker(self) -> tuple[NatsNode, ...]:
        """The servers of the broker."""
        if self.nats_nodes == 1:
            return (NatsNode("nats", self.nats, self.nats_monitoring, self.base + 13),)
        others = range(self.base + 14, self.base + 14 + 3 * (self.nats_nodes - 1), 3)
        return (
            NatsNode("nats-1", self.nats, self.nats_monitoring, self.base + 13),
            *(NatsNode(f"nats-{n}", port, port + 1, port + 2) for n, port in enumerate(others, start=2)),
        )

    @property
    def nats_url(self) -> str:
        """Where clients find the broker: its servers, comma separated."""
        return ",".join(f"nats://127.0.0.1:{node.port}" for node in self.broker)

    def route_urls(self, node: NatsNode, user: str, password: str) -> list[str]:
        """Where a server of the broker reaches the others."""
        return [
            f"nats-route://{user}:{password}@127.0.0.1:{self.route_proxies.get((node.name, other.name), other.routes)}"
            for other in self.broker
            if other != node
        ]

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
            "mongo": self.mongo,
            "sandbox": self.sandbox,
            **{name: port for node in self.broker for name, port in self._of_node(node)},
        }

    def _of_node(self, node: NatsNode) -> list[tuple[str, int]]:
        clustered = [(f"{node.name} routes", node.routes)] if self.nats_nodes > 1 else []
        return [(node.name, node.port), (f"{node.name} monitoring", node.monitoring), *clustered]

    @property
    def process_count(self) -> int:
        """The deployables, MongoDB, the broker, and one process for trace store and mail catcher."""
        return len(DEPLOYABLES) + 1 + self.nats_nodes + 1


def project_root() -> Path:
    """The checkout this package is installed from, or the working directory when it is not a checkout."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "uv.lock").is_file() and (folder / "cme").is_file():
            return folder
    return Path.cwd()
