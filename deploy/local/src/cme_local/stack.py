"""A running stack as tools, tests and the pilot see it: the content of `stack.json`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cme_local.errors import UserError
from cme_local.processes import project_root
from cme_local.secrets import BOOTSTRAP_CLIENT_ID, StackSecrets, load_or_create

AuthMethod = Literal["client_secret_basic", "private_key_jwt", "none"]


@dataclass(frozen=True)
class SandboxClient:
    """An OAuth client made for trying things out."""

    name: str
    client_id: str
    token_endpoint_auth_method: AuthMethod
    grant_types: list[str]
    scopes: list[str]
    redirect_uris: list[str]
    client_secret: str | None = None
    private_jwk: dict[str, str] | None = None
    #: Its tokens open the sandbox and nothing else.
    sandbox: bool = False


@dataclass(frozen=True)
class DemoUser:
    """A person who can sign in; one for each role."""

    username: str
    password: str
    roles: list[str]
    subject: str


@dataclass(frozen=True)
class StackProcess:
    """A running process of the stack."""

    name: str
    pid: int
    url: str


@dataclass(frozen=True)
class Bootstrap:
    """The client that makes clients and accounts; it stays out of the stack file."""

    client_id: str
    client_secret: str


@dataclass
class Stack:
    """What `stack.json` says, and where its data is."""

    api: str
    issuer: str
    urls: dict[str, str]
    data: Path
    bootstrap: Bootstrap
    operations_token: str
    clients: list[SandboxClient] = field(default_factory=list)
    users: list[DemoUser] = field(default_factory=list)
    processes: list[StackProcess] = field(default_factory=list)

    def client(self, name: str) -> SandboxClient:
        """The sandbox client of that name."""
        return next(client for client in self.clients if client.name == name)

    def user(self, role: str) -> DemoUser:
        """A demo user with that role."""
        return next(user for user in self.users if role in user.roles)

    def pid(self, name: str) -> int:
        """The process id of a service, the gateway or an engine, as of now."""
        return next(process.pid for process in self.processes if process.name == name)

    def to_json(self) -> str:
        """The document that tools read; credentials a client does not have are left out."""
        document = asdict(self)
        del document["data"], document["bootstrap"]
        document["clients"] = [_without_none(client) for client in document["clients"]]
        return json.dumps(document, indent=1)

    @classmethod
    def of_running(cls, data: Path) -> "Stack":
        """The stack that runs on this data directory now. Raises UserError when none does."""
        try:
            document = json.loads(stack_file(data).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"No stack runs on {data}. Start one by ./cme up") from None
        return cls(
            api=document["api"],
            issuer=document["issuer"],
            urls=document["urls"],
            data=data,
            bootstrap=bootstrap_of(load_or_create(data)),
            operations_token=document["operations_token"],
            clients=[SandboxClient(**client) for client in document["clients"]],
            users=[DemoUser(**user) for user in document["users"]],
            processes=[StackProcess(**process) for process in document["processes"]],
        )


def bootstrap_of(secrets: StackSecrets) -> Bootstrap:
    """The bootstrap client of a data directory."""
    return Bootstrap(BOOTSTRAP_CLIENT_ID, secrets.bootstrap_client_secret)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def default_data() -> Path:
    """Where a stack keeps its data when nobody says otherwise."""
    return project_root() / ".cme" / "data"


def stack_file(data: Path) -> Path:
    """`.cme/stack.json` for the default data directory, inside the directory for any other."""
    return data.parent / "stack.json" if data == default_data() else data / "stack.json"
