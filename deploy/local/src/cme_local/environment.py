"""The environment of each process of the local stack: every setting comes from here, none from the caller's shell."""

import json
import os
from pathlib import Path

from cme_local.bus_users import sandbox_user
from cme_local.engines import mongo_url
from cme_local.processes import SERVICES, Deployable, Group, Ports
from cme_local.secrets import BOOTSTRAP_CLIENT_ID, NATS_TOOL_USER, StackSecrets, credential_key_file, token_keys_dir

_OURS = ("CME_", "OTEL_")
#: On the module path of every deployable here, so that it sees what its image has.
AS_IN_IMAGE = Path(__file__).parent / "as_in_image"
#: In front of the names of the sandbox's databases.
SANDBOX_PREFIX = "sandbox_"


def inherited() -> dict[str, str]:
    """The caller's environment without settings of ours: a service refuses a CME_ key that it does not know."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    return kept | {"PYTHONUNBUFFERED": "1"}


def for_deployable(deployable: Deployable, data: Path, ports: Ports, secrets: StackSecrets) -> dict[str, str]:
    """The full environment of a service or of the gateway."""
    name = deployable.name
    settings = {
        "CME_HOST": "127.0.0.1",
        "CME_PORT": str(ports.of(name)),
        "CME_MONGO_URL": mongo_url(ports),
        "CME_PUBLIC_URL": ports.gateway_url,
        "CME_NATS_URL": ports.nats_url,
        "CME_NATS_REPLICAS": str(ports.nats_nodes),
        "CME_NATS_USER": name,
        "CME_NATS_PASSWORD": secrets.nats_passwords[name],
        "OTEL_EXPORTER_OTLP_ENDPOINT": ports.url(ports.traces),
    }
    if deployable.group is Group.SERVICE:  # the gateway knows its own keys
        settings["CME_JWKS_URL"] = f"{ports.gateway_url}/oauth/jwks"
        settings["CME_ISSUER"] = ports.gateway_url
        settings["CME_DATABASE_PREFIX"] = ""
    return _as_in_image() | settings | _own_settings(name, data, ports, secrets)


def sandbox_url(ports: Ports) -> str:
    """The public base URL of the sandbox, which is the audience of its tokens."""
    return f"{ports.gateway_url}/sandbox"


def for_sandbox(data: Path, ports: Ports, secrets: StackSecrets) -> dict[str, str]:
    """The environment of the sandbox's process: each service as the live one, on what is the sandbox's own."""
    mail_from = "CME sandbox <sandbox@clustereducation.example>"

    def service(name: str) -> dict[str, object]:
        user = sandbox_user(name)
        common: dict[str, object] = {
            "public_url": sandbox_url(ports),
            "issuer": ports.gateway_url,
            "jwks_url": f"{ports.gateway_url}/oauth/jwks",
            "mongo_url": mongo_url(ports),
            "database_prefix": SANDBOX_PREFIX,
            "nats_url": ports.nats_url,
            "nats_replicas": ports.nats_nodes,
            "nats_user": user,
            "nats_password": secrets.nats_passwords[user],
        }
        match name:
            case "credentials":
                return common | {"signing_key_file": str(credential_key_file(data, sandbox=True))}
            case "outreach":
                relay = {"smtp_host": "127.0.0.1", "smtp_port": ports.smtp, "mail_from": mail_from}
                return common | relay | {"address_key": secrets.sandbox_address_key}
            case _:
                return common

    document = {
        "services": {name: service(name) for name in SERVICES},
        "own": {
            "public_url": sandbox_url(ports),
            "mongo_url": mongo_url(ports),
            "database_prefix": SANDBOX_PREFIX,
            "otlp_endpoint": ports.url(ports.traces),
        },
        "issuer": ports.gateway_url,
        "mail_url": ports.url(ports.mail),
    }
    return _as_in_image() | {"CME_SANDBOX": json.dumps(document)}


def for_auditor(ports: Ports, secrets: StackSecrets) -> dict[str, str]:
    """What the operations process reads the engines with; never on its command line, which everybody can read."""
    return {
        "CME_AUDIT_MONGO_URL": mongo_url(ports),
        "CME_AUDIT_NATS_URL": ports.nats_url,
        "CME_AUDIT_NATS_USER": NATS_TOOL_USER,
        "CME_AUDIT_NATS_PASSWORD": secrets.nats_passwords[NATS_TOOL_USER],
    }


def _as_in_image() -> dict[str, str]:
    env = inherited()
    paths = (env.get("PYTHONPATH"), str(AS_IN_IMAGE))
    return env | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _own_settings(name: str, data: Path, ports: Ports, secrets: StackSecrets) -> dict[str, str]:
    match name:
        case "credentials":
            return {"CME_SIGNING_KEY_FILE": str(credential_key_file(data))}
        case "outreach":
            return {
                "CME_SMTP_HOST": "127.0.0.1",
                "CME_SMTP_PORT": str(ports.smtp),
                "CME_MAIL_FROM": "Cluster Manager Education <outreach@clustereducation.example>",
                "CME_ADDRESS_KEY": secrets.address_key,
            }
        case "gateway":
            return {
                "CME_UPSTREAMS": json.dumps({service: ports.url(ports.of(service)) for service in SERVICES}),
                "CME_SANDBOX_UPSTREAMS": json.dumps(dict.fromkeys(SERVICES, ports.url(ports.sandbox))),
                "CME_SANDBOX_NATS_URL": ports.nats_url,
                "CME_SANDBOX_NATS_USER": sandbox_user(name),
                "CME_SANDBOX_NATS_PASSWORD": secrets.nats_passwords[sandbox_user(name)],
                "CME_SIGNING_KEYS_DIR": str(token_keys_dir(data)),
                "CME_CLIENT_SECRET_PEPPER": secrets.client_secret_pepper,
                "CME_BOOTSTRAP_CLIENT_ID": BOOTSTRAP_CLIENT_ID,
                "CME_BOOTSTRAP_CLIENT_SECRET": secrets.bootstrap_client_secret,
                # What partners write runs beside the stack.
                "CME_WEBHOOK_PRIVATE_ADDRESSES": "true",
                "CME_SMTP_HOST": "127.0.0.1",
                "CME_SMTP_PORT": str(ports.smtp),
            }
        case _:
            return {}
