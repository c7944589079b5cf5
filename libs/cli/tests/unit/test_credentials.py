"""Whose client calls: the environment's, then the one that was kept, then a local stack's."""

import json
import stat
from pathlib import Path

import pytest
from cme_cli.credentials import Credentials, Wanted, config_file, find, forget, store
from cme_cli.errors import CliError

STACK = {
    "api": "http://127.0.0.1:8800",
    "clients": [
        {"client_id": "an-app", "sandbox": False},
        {"client_id": "live", "client_secret": "l", "sandbox": False},
        {"client_id": "test-app", "sandbox": True},
        {"client_id": "test", "client_secret": "t", "sandbox": True},
    ],
}
KEPT = Credentials("https://api.example", "kept", "k")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("CME_API", "CME_CLIENT_ID", "CME_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "work" / "below"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return tmp_path / "work"


def run_stack(folder: Path) -> Path:
    path = folder / ".cme" / "stack.json"
    path.parent.mkdir()
    path.write_text(json.dumps(STACK))
    return path


def test_without_any_the_ways_to_get_one_are_named() -> None:
    with pytest.raises(CliError, match=r"cme login.*CME_CLIENT_ID.*cme up"):
        find(Wanted())


def test_a_stack_above_this_folder_lends_its_sandbox_client(home: Path) -> None:
    run_stack(home)

    assert find(Wanted()) == Credentials("http://127.0.0.1:8800", "test", "t")
    assert find(Wanted(sandbox=False)) == Credentials("http://127.0.0.1:8800", "live", "l")


def test_what_was_kept_comes_before_a_stack_that_was_not_named(home: Path) -> None:
    path = run_stack(home)
    store(KEPT)

    assert find(Wanted()) == KEPT
    assert find(Wanted(stack=path)).client_id == "test"


def test_the_environment_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stack(home)
    store(KEPT)
    monkeypatch.setenv("CME_API", "https://other.example/")
    monkeypatch.setenv("CME_CLIENT_ID", "named")
    monkeypatch.setenv("CME_CLIENT_SECRET", "s")

    assert find(Wanted()) == Credentials("https://other.example", "named", "s")
    assert find(Wanted(api="https://asked.example", client_id="asked")).client_id == "asked"


def test_a_client_without_its_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CME_API", "https://other.example")

    with pytest.raises(CliError, match="CME_CLIENT_SECRET"):
        find(Wanted(client_id="named"))


def test_a_stack_that_is_gone_is_said_to_be() -> None:
    with pytest.raises(CliError, match=r"No stack runs here.*cme up"):
        find(Wanted(stack=Path("nowhere") / "stack.json"))


def test_what_is_kept_is_for_its_owner_only() -> None:
    path = store(KEPT)

    assert path == config_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_others_could_read_is_not_used() -> None:
    store(KEPT).chmod(0o644)

    with pytest.raises(CliError, match="chmod 600"):
        find(Wanted())


def test_what_is_forgotten_is_gone() -> None:
    store(KEPT)

    assert forget()
    assert not forget()
    with pytest.raises(CliError):
        find(Wanted())


def test_a_damaged_file_is_named() -> None:
    store(KEPT).write_text("{}")

    with pytest.raises(CliError, match=r"damaged.*cme login"):
        find(Wanted())
