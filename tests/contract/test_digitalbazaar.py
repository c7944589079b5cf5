"""@digitalbazaar/vc (npm), which shares no code with the service, accepts what the service issues."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

JS = Path(__file__).parent / "js"


async def verified_by_digitalbazaar(folder: Path) -> tuple[int, dict[str, Any]]:
    if not (JS / "node_modules").is_dir():
        pytest.fail("Its packages are not installed: run `npm ci --prefix tests/contract/js`")
    process = await asyncio.create_subprocess_exec(
        "node", JS / "verify.mjs", folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert output, errors.decode()
    found = json.loads(output)["credentials"]
    return process.returncode or 0, {result["file"].removesuffix(".json"): result for result in found}


async def test_it_accepts_a_unit_and_a_programme_badge_and_sees_the_revocation(workshop: Any) -> None:
    status, results = await verified_by_digitalbazaar(workshop.folder)

    assert status == 0, results
    assert {name: result["revoked"] for name, result in results.items()} == {
        "unit": False,
        "programme": False,
        "revoked": True,
    }


async def test_it_refuses_a_changed_badge(workshop: Any) -> None:
    path = workshop.folder / "credentials" / "unit.json"
    path.write_text(path.read_text().replace("Hyper Island", "Hyper Iceland"))

    status, results = await verified_by_digitalbazaar(workshop.folder)

    assert (status, results["unit"]["verified"], results["programme"]["verified"]) == (1, False, True)


async def test_it_refuses_a_badge_whose_status_list_was_changed(workshop: Any) -> None:
    listed = json.loads((workshop.folder / "status" / "1.json").read_text())
    workshop.write("status/1.json", {**listed, "validFrom": "2020-01-01T00:00:00Z"})

    status, results = await verified_by_digitalbazaar(workshop.folder)

    assert (status, results["unit"]["verified"]) == (1, False)
