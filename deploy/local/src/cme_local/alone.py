"""Every deployable is installed with only its own dependencies, and passes its own tests there."""

import os
import subprocess
import sysconfig
import time
from pathlib import Path

DEPLOYABLES = {
    "gateway": "gateway",
    **{name: f"services/{name}" for name in ("outreach", "credentials", "enrolment", "assessment", "curriculum")},
}


def run_alone(root: Path) -> int:
    """Test each deployable in an environment of its own; prints what pytest ended with, everything when it failed."""
    codes = [_test(root, name) for name in DEPLOYABLES]
    return next((code for code in codes if code), 0)


def _test(root: Path, name: str) -> int:
    began = time.monotonic()
    environment = root / ".cme" / "alone" / name
    uv = str(Path(sysconfig.get_path("scripts")) / "uv")
    sync = [uv, "sync", "--quiet", "--frozen", "--no-default-groups", "--package", f"cme-{name}", "--group", "test"]
    pytest = [str(environment / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", DEPLOYABLES[name]]
    settings = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
    for command in (sync, pytest):
        done = subprocess.run(
            command, cwd=root, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(f"{name} alone: FAILED\n{done.stdout}{done.stderr}", flush=True)
            return done.returncode
    summary = done.stdout.strip().splitlines()[-1]
    print(f"{name} alone: {summary} ({time.monotonic() - began:.0f} s with installation)", flush=True)
    return 0
