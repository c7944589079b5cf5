"""What Schemathesis has to know of this API: who may call what, and which refusals a schema cannot foresee."""

from __future__ import annotations

import os
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import schemathesis
from callers import Callers
from cme_kit.http import KEY_PATTERN
from cme_kit.problems import InvalidRequest
from cme_kit.schemas import LANGUAGES
from known_values import KnownValues
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response
from schemathesis.core.parameters import ParameterLocation

KEY = "Idempotency-Key"
#: A token with a scope of each service passes the edge.
ANY_SERVICE = ["operations:read"]
#: Addresses whose parts have rules, and names of which nothing hides by the tables of Unicode.
BEYOND_A_SCHEMA = re.compile(r"body\.(redirect_uris|origins)\.\d+|body\.\w+_uri|body\.name")


@cache
def callers() -> Callers:
    return Callers(Path(os.environ["CONTRACT_STACK"]))


@cache
def known_values() -> KnownValues:
    return KnownValues.load(Path(os.environ["CONTRACT_KNOWN_VALUES"]))


@schemathesis.hook
def before_load_schema(_: HookContext, raw_schema: dict[str, Any]) -> None:
    """Schemathesis tries the checks of authentication with schemes of type `http` only; our tokens are bearer tokens."""
    raw_schema["components"]["securitySchemes"] = {"oauth2": {"type": "http", "scheme": "bearer"}}
    if "CONTRACT_SHORT" in os.environ:
        _forget_languages(raw_schema["components"]["schemas"])


def _forget_languages(value: Any) -> None:
    """Leave two of the five languages in every text: what holds for one holds for the next, and there are many texts."""
    if isinstance(value, dict):
        texts = value.get("properties", {})
        if set(LANGUAGES) == set(texts):
            value["properties"] = {name: texts[name] for name in LANGUAGES[:2]}
        for inner in value.values():
            _forget_languages(inner)
    elif isinstance(value, list):
        for inner in value:
            _forget_languages(inner)


@schemathesis.auth(refresh_interval=None)
class ByScope:
    """A token with the scope that the operation asks for; none where none is needed."""

    def get(self, _case: Case, context: AuthContext) -> str | None:
        needed = [scope for one in context.operation.definition.raw.get("security", []) for scope in one["oauth2"]]
        return callers().token_for(needed) if needed else None

    def set(self, case: Case, token: str | None, _context: AuthContext) -> None:
        if token is not None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


@schemathesis.hook
def before_call(_: HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """What callers do by themselves, whatever is generated."""
    if case.method.upper() != case.operation.method.upper():
        if "Authorization" not in case.headers:
            # Only what is described as public comes without a token; with one, the method is the answer.
            case.headers["Authorization"] = f"Bearer {callers().token_for(ANY_SERVICE)}"
        return
    if _is_valid(case, ParameterLocation.PATH):
        known_values().put_into(case.path_parameters)
    if _is_valid(case, ParameterLocation.QUERY):
        known_values().put_into(case.query)
    if _is_valid(case, ParameterLocation.BODY):
        known_values().put_into(case.body)
    if KEY_PATTERN.match(str(case.headers.get(KEY, ""))):
        # A new key for each thing to do: a body under a key that had another one is refused, as it should be.
        case.headers[KEY] = str(uuid4())
    if "If-Match" in case.headers and not _is_about(case, "If-Match"):
        _read_revision(case)
    if case.method != "GET" and case.path_parameters.get("client_id") in callers().clients:
        # These tests are called by these clients.
        case.path_parameters["client_id"] = "client-of-nobody"
    if case.method != "GET" and "key_id" in case.path_parameters:
        # Nor does anybody withdraw the key of their tokens.
        case.path_parameters["key_id"] = "key-of-nobody"


def _is_valid(case: Case, place: ParameterLocation) -> bool:
    component = case.meta.components.get(place) if case.meta is not None else None
    return component is not None and component.mode.is_positive


def _is_about(case: Case, header: str) -> bool:
    """Whether a case tries what happens with this header as it is (generated values in quotes lose them)."""
    aim = case.meta.phase.data if case.meta is not None else None
    aimed = [getattr(aim, "parameter", None), *(one.parameter for one in getattr(aim, "mutations", None) or [])]
    return header.lower() in [name.lower() for name in aimed if name]


def _read_revision(case: Case) -> None:
    """Who changes something has read it."""
    current = requests.get(
        case.operation.schema.get_base_url().rstrip("/") + case.formatted_path,
        headers={name: value for name, value in case.headers.items() if name == "Authorization"},
        timeout=10,
    )
    case.headers["If-Match"] = current.headers.get("ETag", case.headers["If-Match"])


@schemathesis.check
def what_the_schema_allows_fits_the_interface(_ctx: CheckContext, response: Response, case: Case) -> None:
    """`positive_data_acceptance` as far as a schema can promise it.

    A rule of the field (dates in their order, a revision, an id of something that is there) has a code of its own; what
    is refused as `invalid_request` the schema should have said, unless it is a rule between the fields of an object.
    """
    valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not valid or response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY or not response.headers["content-type"]:
        return
    problem = response.json() if response.headers["content-type"][0].endswith("json") else {"code": "a page"}
    if problem["code"] == InvalidRequest.code:
        surprising = [
            error
            for error in problem["errors"]
            if not BEYOND_A_SCHEMA.fullmatch(error["field"]) and not isinstance(_sent(case, error["field"]), dict)
        ]
        if surprising:
            raise AssertionError(f"Data that fits the schema is refused: {surprising}")


def _sent(case: Case, field: str) -> Any:
    """What was sent in a field that a problem names, such as `body.units.0`."""
    place, *steps = field.split(".")
    value: Any = case.body if place == "body" else None
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            value = value[int(step)]
    return value
