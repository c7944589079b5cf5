"""`cme up` as a process: what it starts, keeps running, says, and leaves behind (nothing)."""

import os
import signal
import socket
import stat
import subprocess
import urllib.request
from pathlib import Path

import pytest

from .conftest import Launcher, eventually, free_base, is_gone

pytestmark = pytest.mark.timeout(120)


def test_a_stack_runs_restarts_what_is_killed_and_stops_without_a_trace(launcher: Launcher) -> None:
    up = launcher.up()
    before = up.pids()
    assert set(before) == {
        *("mongo", "nats", "operations", "gateway"),
        *("enrolment", "curriculum", "assessment", "credentials", "outreach"),
    }
    assert stat.S_IMODE(up.stack_file.stat().st_mode) == 0o600

    for name in ("outreach", "nats", "mongo", "operations"):
        os.kill(before[name], signal.SIGKILL)
    after = eventually(lambda: pids if not _shared(before, pids := up.pids(), killed=4) else None, within_s=15)

    assert {name for name in before if before[name] != after.get(name)} == {"outreach", "nats", "mongo", "operations"}
    eventually(lambda: _answers(f"http://127.0.0.1:{up.base + 5}/health/ready"))
    eventually(lambda: _answers(f"http://127.0.0.1:{up.base + 6}/health/live"))

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert all(is_gone(pid) for pid in after.values())
    assert not up.stack_file.exists()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _shared(before: dict[str, int], after: dict[str, int], *, killed: int) -> bool:
    """Whether fewer processes than those killed have been replaced so far."""
    return len(after) < len(before) or sum(before[name] != after[name] for name in before) < killed


def test_nothing_outlives_a_killed_supervisor(launcher: Launcher) -> None:
    up = launcher.up()
    pids = up.pids()

    up.process.kill()
    up.process.wait()

    eventually(lambda: all(is_gone(pid) for pid in pids.values()), within_s=5)


def test_a_second_start_on_the_same_data_has_the_same_logins(launcher: Launcher) -> None:
    first = launcher.up()
    made = first.stack()
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(30)

    again = launcher.up(first.base).stack()

    assert again["clients"] == made["clients"]
    assert again["users"] == made["users"]
    by_name = {client["name"]: client for client in again["clients"]}
    assert set(by_name) >= {
        *("sandbox-secret", "sandbox-jwt", "sandbox-operator", "sandbox-app", "eccp-harvester"),
        *("test-partner", "test-app"),
    }
    assert {client["name"] for client in again["clients"] if client["sandbox"]} == {"test-partner", "test-app"}
    assert by_name["sandbox-jwt"]["private_jwk"]["crv"] == "P-256"
    assert "client_secret" not in by_name["sandbox-app"]
    assert "client_secret" not in by_name["sandbox-jwt"]


def test_a_taken_port_is_named_with_its_owner_and_a_way_out(launcher: Launcher) -> None:
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 3)):
        result = launcher.run("up", "--port-base", str(base), "--data", str(launcher.folder / "data"))

    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert f"Port {base + 3} (assessment) is taken" in result.stderr
    assert f"pid {os.getpid()}" in result.stderr
    assert "--port-base" in result.stderr


def test_a_data_directory_in_use_is_refused(launcher: Launcher) -> None:
    up = launcher.up()

    result = launcher.run("up", "--port-base", str(free_base()), "--data", str(up.data))

    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert f"pid {up.process.pid}" in result.stderr


def test_a_service_that_keeps_dying_stops_the_stack_and_shows_its_log(launcher: Launcher) -> None:
    broken = launcher.folder / "standins" / "outreach" / "__main__.py"
    broken.write_text("import sys; sys.exit('unknown settings: CME_TYPO')")

    up = launcher.start(free_base())

    assert up.process.wait(40) == 1
    assert "outreach died 5 times in a row (exit code 1)" in up.log()
    assert "unknown settings: CME_TYPO" in up.log()
    assert not up.stack_file.exists()


def test_a_signal_while_starting_stops_what_was_started(launcher: Launcher) -> None:
    never_ready = launcher.folder / "standins" / "outreach" / "__main__.py"
    never_ready.write_text("import time; time.sleep(60)")
    up = launcher.start(free_base())
    eventually(lambda: "mongo ready" in up.log(), within_s=20)

    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(20) == 0
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(up.data) not in left


def test_secrets_are_for_their_owner_only(launcher: Launcher) -> None:
    up = launcher.up()

    for name in ("secrets.json", "sandbox.json", "nats.conf", "keys/credentials.pem"):
        assert stat.S_IMODE((up.data / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(Path(up.data).stat().st_mode) == 0o700
