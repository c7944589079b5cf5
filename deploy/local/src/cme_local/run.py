"""How a stack is brought up and taken down."""

import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from cme_local import engines, environment
from cme_local.child import ChildSpec
from cme_local.http_probe import accepts_connections, status_of
from cme_local.interrupts import on_signal
from cme_local.ops.settings import OperationsSettings
from cme_local.preflight import DataDirectory, check_broker, check_disk, check_ports
from cme_local.processes import DEPLOYABLES, OPERATIONS_MODULE, SANDBOX_MODULE, Group, Ports
from cme_local.sandbox import provision
from cme_local.secrets import StackSecrets, load_or_create, write_private
from cme_local.stack import Stack, StackProcess, bootstrap_of, stack_file
from cme_local.supervisor import Supervisor

READY_WITHIN_S = 60.0
#: By deployable, settings that are added to its environment or replace one of it.
ExtraEnv = Mapping[str, Mapping[str, str]]


def urls_of(ports: Ports) -> dict[str, str]:
    """Everything a person or a tool may open."""
    return {d.name: ports.url(ports.of(d.name)) for d in DEPLOYABLES} | {
        "sandbox": environment.sandbox_url(ports),
        "traces": f"{ports.url(ports.traces)}/traces",
        "mail": f"{ports.url(ports.mail)}/mail",
        "otlp": ports.url(ports.traces),
        "smtp": f"smtp://127.0.0.1:{ports.smtp}",
        "nats": ports.nats_url,
        "nats_monitoring": ports.url(ports.nats_monitoring),
        "mongo": engines.mongo_url(ports),
    }


async def _answers_200(url: str) -> bool:
    return await status_of(url) == HTTPStatus.OK


def child_specs(data: Path, ports: Ports, secrets: StackSecrets, extra_env: ExtraEnv) -> list[ChildSpec]:
    """Every process of the stack."""
    traces = ports.url(ports.traces)
    bare = environment.inherited()
    specs = [
        ChildSpec(
            "mongo",
            engines.mongo_command(data, ports),
            bare,
            Group.ENGINE,
            engines.mongo_url(ports),
            partial(accepts_connections, ports.mongo),
            one_core=True,
        ),
        *(
            ChildSpec(
                node.name,
                engines.nats_command(data, ports, secrets, node),
                bare,
                Group.ENGINE,
                f"nats://127.0.0.1:{node.port}",
                partial(_answers_200, f"{ports.url(node.monitoring)}/healthz"),
            )
            for node in ports.broker
        ),
    ]
    for deployable in sorted(DEPLOYABLES, key=lambda d: d.group is not Group.GATEWAY):
        url = ports.url(ports.of(deployable.name))
        env = environment.for_deployable(deployable, data, ports, secrets) | dict(extra_env.get(deployable.name, {}))
        ready = partial(_answers_200, f"{url}/health/ready")
        release = partial(engines.release_transactions, ports)
        specs.append(
            ChildSpec(deployable.name, deployable.argv(), env, deployable.group, url, ready, after_death=release)
        )
    operations = [sys.executable, "-m", OPERATIONS_MODULE, *(str(p) for p in (ports.traces, ports.mail, ports.smtp))]
    private = environment.for_auditor(ports, secrets) | OperationsSettings(data, secrets.operations_token).environment()
    alive = partial(_answers_200, f"{traces}/health/live")
    specs.append(ChildSpec("operations", operations, bare | private, Group.OPERATIONS, traces, alive))
    return specs


@contextmanager
def sandbox_spec(data: Path, ports: Ports, secrets: StackSecrets) -> Iterator[ChildSpec]:
    """The sandbox's process, with a socket that listens already: it costs nothing before somebody calls it."""
    with socket.create_server(("127.0.0.1", ports.sandbox), backlog=128) as listening:
        yield ChildSpec(
            "sandbox",
            [sys.executable, "-m", SANDBOX_MODULE, str(listening.fileno())],
            environment.for_sandbox(data, ports, secrets),
            Group.SERVICE,
            ports.url(ports.sandbox),
            _at_once,
            after_death=partial(engines.release_transactions, ports),
            listening=listening,
        )


async def _at_once() -> bool:
    return True


@dataclass
class Running:
    """A stack that is up, with its supervisor."""

    stack: Stack
    supervisor: Supervisor
    data: Path

    def write(self) -> None:
        """(Re)write the stack file with the processes as they are now."""
        children = self.supervisor.children.values()
        self.stack.processes = [StackProcess(c.spec.name, c.pid, c.spec.url) for c in children if c.pid is not None]
        write_private(stack_file(self.data), self.stack.to_json())


@asynccontextmanager
async def running_stack(
    ports: Ports,
    data: Path,
    on_ready: Callable[[str], None] = lambda _: None,
    extra_env: ExtraEnv = MappingProxyType({}),
) -> AsyncIterator[Running]:
    """Bring a stack up, hand it over when it is ready and provisioned, and take it down on the way out.

    `extra_env` is for experiments: armed failpoints, or an engine that is reached through a proxy.

    Raises:
        UserError: a port is taken, the disk is full, the data directory is in use.
        StackError: a process did not become ready.
    """
    with DataDirectory(data), ExitStack() as sockets:
        check_disk(data)
        check_ports(ports)
        check_broker(data, ports)
        secrets = load_or_create(data)
        announced = False

        def on_change() -> None:
            if announced:
                running.write()

        specs = [
            *child_specs(data, ports, secrets, extra_env),
            sockets.enter_context(sandbox_spec(data, ports, secrets)),
        ]
        supervisor = Supervisor(specs, data / "logs", on_change)
        stack = Stack(
            ports.gateway_url, ports.gateway_url, urls_of(ports), data, bootstrap_of(secrets), secrets.operations_token
        )
        running = Running(stack, supervisor, data)
        try:
            await supervisor.start(READY_WITHIN_S, on_ready)
            stack.clients, stack.users = await provision(stack.api, data, stack.bootstrap)
            running.write()
            announced = True
            yield running
        finally:
            announced = False
            stack_file(data).unlink(missing_ok=True)
            # A further Ctrl-C does not wait for anybody.
            with on_signal(supervisor.kill):
                await supervisor.stop()
