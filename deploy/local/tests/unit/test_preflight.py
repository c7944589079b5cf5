"""What the command says before anything starts, and what it plans to create."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytest
from cme_local import cli, preflight, sandbox
from cme_local.console import curl_line
from cme_local.errors import UserError
from cme_local.processes import Ports
from cme_local.secrets import load_or_create
from cme_local.stack import Bootstrap, SandboxClient, Stack, default_data, stack_file


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize("base", [80, 65530])
def test_a_port_base_out_of_range_is_refused(base: int) -> None:
    with pytest.raises(UserError, match="--port-base must lie between 1024 and 65516"):
        preflight.check_ports(Ports(base))


def test_a_full_disk_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10, 9, 5 * 2**20))

    with pytest.raises(UserError, match=r"Only 5 MB are free .* --data on another disk"):
        preflight.check_disk(tmp_path)


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(UserError, match="Choose another one with --data DIR"),
        preflight.DataDirectory(tmp_path / "file"),
    ):
        pytest.fail("entered a directory that is a file")


@pytest.mark.parametrize(("before", "now"), [(1, 3), (3, 1)])
def test_a_broker_of_another_size_is_refused_where_messages_are_kept(before: int, now: int, tmp_path: Path) -> None:
    for node in Ports(8800, before).broker:
        (tmp_path / node.name).mkdir()

    preflight.check_broker(tmp_path, Ports(8800, before))
    with pytest.raises(UserError, match=f"Use --nats-nodes {before}"):
        preflight.check_broker(tmp_path, Ports(8800, now))


def test_a_stack_with_a_clustered_broker_has_ports_of_its_own_for_each_server() -> None:
    single, clustered = Ports(8800).named(), Ports(8800, 3).named()

    assert sorted(single.values()) == list(range(8800, 8813))
    assert sorted(clustered.values()) == list(range(8800, 8820))


def test_the_stack_file_lies_beside_the_default_data_and_inside_any_other(tmp_path: Path) -> None:
    assert stack_file(default_data()) == default_data().parent / "stack.json"
    assert stack_file(tmp_path) == tmp_path / "stack.json"


def test_secrets_are_made_once_for_a_data_directory(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "a") == load_or_create(tmp_path / "a")
    assert load_or_create(tmp_path / "a") != load_or_create(tmp_path / "b")


def test_a_directory_of_before_a_new_secret_gets_it_and_keeps_the_others(tmp_path: Path) -> None:
    made = asdict(load_or_create(tmp_path))
    token = made.pop("operations_token")
    (tmp_path / "secrets.json").write_text(json.dumps(made))
    completed = asdict(load_or_create(tmp_path))
    assert completed.pop("operations_token") not in {"", token}
    assert completed == made
    assert asdict(load_or_create(tmp_path)).items() >= completed.items()


def test_a_start_that_was_cut_off_asks_for_the_same_again() -> None:
    planned = sandbox._planned({})

    again = sandbox._planned(json.loads(json.dumps(planned)))

    assert again == planned
    assert len({entry["idempotency_key"] for entry in planned.values()}) == len(planned)


def test_private_keys_are_never_sent_to_the_gateway() -> None:
    planned = sandbox._planned({})["client sandbox-jwt"]

    assert "d" in planned["private_jwk"]
    assert all("d" not in key for key in planned["body"]["jwks"]["keys"])


def test_the_stack_file_leaves_out_the_bootstrap_client(tmp_path: Path) -> None:
    client = SandboxClient("s", "s", "client_secret_basic", ["client_credentials"], ["x"], [], client_secret="c" * 8)
    stack = Stack(
        "http://a", "http://a", {}, tmp_path, Bootstrap("bootstrap", "very-secret"), "a-token", clients=[client]
    )

    document = json.loads(stack.to_json())

    assert set(document) == {"api", "issuer", "urls", "clients", "users", "processes", "operations_token"}
    assert "private_jwk" not in document["clients"][0]
    assert curl_line(stack, client) == "curl -s -u 's:cccccccc' -d grant_type=client_credentials http://a/oauth/token"


def test_unknown_arguments_are_refused_and_those_of_pytest_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    _, rest = cli.parser().parse_known_args(["test", "--fast", "-k", "outbox"])

    assert rest == ["-k", "outbox"]
    with pytest.raises(SystemExit) as refused:
        cli.parser().parse_args(["up", "--prot-base", "9000"])
    assert refused.value.code == 2
    assert "--prot-base" in capsys.readouterr().err
