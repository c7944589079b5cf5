"""Every deployable is installed with only its own dependencies, and passes its own tests there."""

import os
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DEPLOYABLES = {
    "gateway": "gateway",
    **{name: f"services/{name}" for name in ("outreach", "credentials", "enrolment", "assessment", "curriculum")},
}


def run_alone(root: Path, names: Iterable[str]) -> int:
    """Test deployables, each in an environment of its own; the exit code of the first failure."""
    codes = [_test(root, name, name, [DEPLOYABLES[name]]) for name in names]
    return next((code for code in codes if code), 0)


def run_part(root: Path, name: str, part: int, parts: int) -> int:
    """Test the files of a deployable whose turn is `part` (from 0) when they are dealt out to `parts`; the exit code."""
    files = sorted(str(path.relative_to(root)) for path in (root / DEPLOYABLES[name] / "tests").rglob("test_*.py"))
    return _test(root, name, f"{name} ({part + 1} of {parts})", files[part::parts])


def _test(root: Path, name: str, called: str, paths: Sequence[str]) -> int:
    environment = root / ".cme" / "alone" / name
    uv = str(Path(sysconfig.get_path("scripts")) / "uv")
    sync = [uv, "sync", "--quiet", "--frozen", "--no-default-groups", "--package", f"cme-{name}", "--group", "test"]
    pytest = [str(environment / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    settings = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
    return told_when_done(f"{called} alone", [sync, pytest], root, settings)


def told_when_done(name: str, commands: Sequence[Sequence[str]], root: Path, env: Mapping[str, str]) -> int:
    """Run commands; prints what the last one ended with, everything of the one that failed. The exit code."""
    began, said = time.monotonic(), ""
    for command in commands:
        done = subprocess.run(
            command, cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(f"{name}: FAILED\n{done.stdout}{done.stderr}", flush=True)
            return done.returncode
        said = done.stdout
    print(f"{name}: {said.strip().splitlines()[-1]} ({time.monotonic() - began:.0f} s in all)", flush=True)
    return 0
