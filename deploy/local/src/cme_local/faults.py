"""`cme faults`: hands over to the suite in tests/faults, which is no part of what is installed."""

import os
import subprocess
import sys
from collections.abc import Sequence

from cme_local.errors import UserError
from cme_local.processes import project_root


def run(arguments: Sequence[str]) -> int:
    """Run the suite with this interpreter; its exit code.

    Raises:
        UserError: this is no checkout, so the suite is not here.
    """
    root = project_root()
    if not (root / "tests" / "faults" / "__main__.py").is_file():
        raise UserError(f"The fault suite is in a checkout's tests/faults, and {root} has none.")
    path = os.pathsep.join(part for part in (str(root), os.environ.get("PYTHONPATH")) if part)
    command = [sys.executable, "-m", "tests.faults", *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode
