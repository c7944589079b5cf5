import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cme_kit import failpoints
from cme_kit.failpoints import Injected, failpoint

KILLED_AT_THE_SECOND_PASS = """
import asyncio
from cme_kit.failpoints import failpoint
async def work():
    for n in range(3):
        print(n, flush=True)
        await failpoint("here")
asyncio.run(work())
"""


def _run(spent: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"FAILPOINTS": "here=kill@2", "FAILPOINTS_SPENT": str(spent)}
    command = [sys.executable, "-c", KILLED_AT_THE_SECOND_PASS]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_an_armed_moment_kills_once_for_all_processes(tmp_path: Path) -> None:
    first, second = _run(tmp_path), _run(tmp_path)

    assert (first.returncode, first.stdout.split()) == (-signal.SIGKILL, ["0", "1"])
    assert (second.returncode, second.stdout.split()) == (0, ["0", "1", "2"])


def test_an_error_is_raised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse("here=error"))

    async def passes() -> None:
        with pytest.raises(Injected):
            await failpoint("here")
        await failpoint("here")
        await failpoint("elsewhere")

    asyncio.run(passes())
    assert failpoints._armed == {}


@pytest.mark.parametrize("text", ["here", "here=explode", "here=sleep"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FAILPOINTS"):
        failpoints._parse(text)
