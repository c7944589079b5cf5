"""`cme contracts`: the committed contracts, written from the code or compared with it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from cme_contracts.documents import all_schemas, asyncapi, incompatibilities
from cme_kit.openapi import openapi_of
from pydantic import SecretStr

from cme_local.processes import project_root

ROOT = project_root()
SERVICES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")
FOLDER = ROOT / "contracts"
#: Inside the package, because the gateway merges and serves them.
OPENAPI = FOLDER / "src" / "cme_contracts" / "openapi"


def documents() -> dict[Path, dict[str, Any]]:
    """Every generated document by its file."""
    made = {FOLDER / "schemas" / name: schema for name, schema in all_schemas().items()}
    made[FOLDER / "asyncapi.json"] = asyncapi()
    for service in SERVICES:
        made[OPENAPI / f"{service}.json"] = _openapi(service)
    return made


def _openapi(service: str) -> dict[str, Any]:
    settings = importlib.import_module(f"{service}.settings").Settings
    # Building an app connects to nothing: its engines are opened by the lifespan.
    nowhere: dict[str, Any] = {
        "public_url": "http://cme.example",
        "jwks_url": "http://cme.example/oauth/jwks",
        "mongo_url": SecretStr("mongodb://cme.example"),
        "nats_url": "nats://cme.example",
        "nats_user": service,
        "nats_password": SecretStr("none"),
    }
    for name, field in settings.model_fields.items():
        if field.is_required() and name not in nowhere:
            nowhere[name] = SecretStr("none" * 8) if field.annotation is SecretStr else "none"
    return openapi_of(importlib.import_module(f"{service}.app").build(settings(**nowhere)))


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def run(check: bool) -> int:
    """Write the contracts, or with `check` only compare. 0 when all is well, 1 with a line for each difference."""
    made = documents()
    problems = []
    for file, document in made.items():
        if not file.exists():
            problems += [f"{file.relative_to(ROOT)} is missing"] if check else []
            continue
        committed = file.read_text()
        if file.parent.name == "schemas":
            problems += [
                f"{file.name}: {what}: declare a new version"
                for what in incompatibilities(json.loads(committed), document)
            ]
        if check and committed != _text(document):
            problems.append(f"{file.relative_to(ROOT)} is not up to date: run ./cme contracts")
    generated = {file for file in made if file.parent.name == "schemas"}
    problems += [
        f"{file.name}: a published event is gone"
        for file in (FOLDER / "schemas").glob("*.json")
        if file not in generated
    ]
    for problem in problems:
        print(problem)
    if problems:
        return 1
    if not check:
        for file, document in made.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_text(document))
    print(f"{len(made)} contracts are {'up to date' if check else 'written'}")
    return 0
