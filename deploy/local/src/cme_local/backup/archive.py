"""The file of a backup: a tar with a manifest, compressed JSON lines per collection, and the data directory's secrets."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from cme_local.errors import UserError

MANIFEST = "manifest.json"
#: Raised when what is in the file is laid out differently.
FORMAT = 1
OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Entry:
    """One file of the archive; `documents` is None for what is no collection."""

    sha256: str
    size: int
    documents: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What an archive holds, and who made it when."""

    version: str
    made_at: str
    entries: Mapping[str, Entry]
    format: int = FORMAT


def sha256_of(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_of(path: Path, documents: int | None = None) -> Entry:
    """What the manifest says of a file."""
    return Entry(sha256_of(path), path.stat().st_size, documents)


def write_archive(file: Path, folder: Path, manifest: Manifest) -> None:
    """Write the archive in one step, readable by its owner only: a reader sees the old file or the whole new one."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    part = file.with_name(file.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for name in (MANIFEST, *manifest.entries):
                tar.add(folder / name, arcname=name)
        raw.flush()
        os.fsync(raw.fileno())
    part.replace(file)


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Write the archive's files into the folder. Raises ValueError for a member that is no file or leaves the folder.

    The standard library's own filter is not in every Python 3.11.
    """
    for member in tar.getmembers():
        parts = PurePosixPath(member.name).parts
        if not member.isreg() or ".." in parts or parts[:1] == ("/",):
            raise ValueError(member.name)
        tar.extract(member, folder)


def unpack(file: Path, folder: Path, version: str) -> Manifest:
    """Unpack an archive into an empty folder and compare every file with the manifest.

    Raises UserError for a file that is no archive, is damaged, or was made by another version.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            _extract(tar, folder)
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = {name: Entry(**entry) for name, entry in told.pop("entries").items()}
        manifest = Manifest(entries=entries, **told)
    except FileNotFoundError as error:
        raise UserError(f"{file} cannot be restored: {error.filename or file} is missing.") from None
    except (tarfile.TarError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{file} is no backup, or it is damaged ({type(error).__name__}).") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    if manifest.format != FORMAT or manifest.version != version:
        raise UserError(f"{file} was made by version {manifest.version}, this is {version}: restore it with that one.")
    for name, entry in manifest.entries.items():
        path = folder / PurePosixPath(name)
        if not path.is_file() or sha256_of(path) != entry.sha256:
            raise UserError(f"{file} is damaged: {name} is not as it was written.")
    return manifest
