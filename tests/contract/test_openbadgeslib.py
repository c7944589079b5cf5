"""openbadgeslib (PyPI), which shares no code with the service, accepts what the service issues."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from openbadgeslib.baking import SVG_ELEMENT_OB3, extract_svg

SCRIPT = Path(__file__).parent / "verify_openbadgeslib.py"


async def verified_by_openbadgeslib(folder: Path) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert output, errors.decode()
    found = json.loads(output)["credentials"]
    return process.returncode or 0, {result["file"].removesuffix(".json"): result for result in found}


async def test_it_accepts_a_unit_and_a_programme_badge_and_sees_the_revocation(workshop: Any) -> None:
    status, results = await verified_by_openbadgeslib(workshop.folder)

    assert status == 0, results
    assert {name: result["revoked"] for name, result in results.items()} == {
        "unit": False,
        "programme": False,
        "revoked": True,
    }


async def test_it_refuses_a_changed_badge_and_a_badge_whose_status_list_was_changed(workshop: Any) -> None:
    path = workshop.folder / "credentials" / "unit.json"
    path.write_text(path.read_text().replace("Hyper Island", "Hyper Iceland"))
    changed, after_change = await verified_by_openbadgeslib(workshop.folder)
    path.unlink()
    listed = json.loads((workshop.folder / "status" / "1.json").read_text())
    workshop.write("status/1.json", {**listed, "validFrom": "2020-01-01T00:00:00Z"})
    swapped, after_swap = await verified_by_openbadgeslib(workshop.folder)

    assert (changed, after_change["unit"]["verified"], after_change["programme"]["verified"]) == (1, False, True)
    assert (swapped, after_swap["programme"]["verified"]) == (1, False)


async def test_it_finds_the_credential_in_the_baked_image(workshop: Any) -> None:
    image = (workshop.folder / "images" / "unit.svg").read_bytes()

    extracted = extract_svg(image, element=SVG_ELEMENT_OB3, text_fallback=True)

    assert extracted is not None
    assert json.loads(extracted) == json.loads((workshop.folder / "credentials" / "unit.json").read_text())
