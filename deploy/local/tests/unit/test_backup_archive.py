"""What `./cme restore` refuses, each with one clear line."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cme_local.backup import restoring
from cme_local.backup.archive import MANIFEST, Manifest, entry_of, unpack, write_archive
from cme_local.errors import UserError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "secrets.json").write_text("{}")
    entries = {"secrets/secrets.json": entry_of(folder / "secrets" / "secrets.json")}
    file = tmp_path / "cme.backup"
    write_archive(file, folder, Manifest("0.1.0", "2026-05-01T00:00:00+00:00", entries))
    return file


def test_an_archive_comes_back_as_it_was_written_and_only_its_owner_reads_it(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()

    manifest = unpack(archive, tmp_path / "target", "0.1.0")

    assert (tmp_path / "target" / "secrets" / "secrets.json").read_text() == "{}"
    assert manifest.made_at == "2026-05-01T00:00:00+00:00"
    assert archive.stat().st_mode & 0o777 == 0o600


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.rindex(b"{}")] ^= 1
    file.write_bytes(content)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:700])


def _no_archive(file: Path) -> None:
    file.write_text("something else")


def _without_manifest(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("secrets/secrets.json"), io.BytesIO())


def _out_of_the_folder(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())


def _strange_manifest(file: Path) -> None:
    body = json.dumps({"entries": []}).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size = len(body)
    with tarfile.open(file, "w") as tar:
        tar.addfile(member, io.BytesIO(body))


@pytest.mark.parametrize(
    "damage", [_flip, _cut, _no_archive, _without_manifest, _out_of_the_folder, _strange_manifest, Path.unlink]
)
def test_a_damaged_file_is_refused(damage: Callable[[Path], None], archive: Path, tmp_path: Path) -> None:
    damage(archive)
    (tmp_path / "target").mkdir()

    with pytest.raises(UserError, match=r"cme\.backup"):
        unpack(archive, tmp_path / "target", "0.1.0")
    assert not (tmp_path / "outside").exists()


def test_another_version_is_refused(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()

    with pytest.raises(UserError, match=r"made by version 0\.1\.0, this is 0\.2\.0"):
        unpack(archive, tmp_path / "target", "0.2.0")


def test_a_directory_that_is_not_empty_is_refused_and_left_alone(archive: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "secrets.json").write_text("mine")

    with pytest.raises(UserError, match="is not empty"):
        restoring.run(archive, taken)
    assert (taken / "secrets.json").read_text() == "mine"


def test_nothing_is_left_of_a_restore_that_was_refused(archive: Path, tmp_path: Path) -> None:
    _flip(archive)
    target = tmp_path / "new" / "data"

    with pytest.raises(UserError):
        restoring.run(archive, target)
    assert not list(target.parent.iterdir())
