"""How answers appear in OpenAPI documents: every problem of an operation by its code, what many share once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from cme_kit.problems import MEDIA_TYPE, TYPE_BASE, Problem, ServiceError
from cme_kit.strict_json import is_json

Document = dict[str, Any]
REF = "#/components/"
#: An answer of more problems than this has no readable name, and stands where it is used.
MOST_NAMED = 3
#: Headers that answers of several operations have, by the name of their component.
HEADERS: dict[str, Document] = {
    "ETag": {
        "description": "The revision of this representation (RFC 9110 section 8.8.3)",
        "schema": {"type": "string", "pattern": r'^(W/)?"[^"]+"$', "examples": ['"3"']},
    },
    "Link": {
        "description": 'The next page, `rel="next"` (RFC 8288); absent on the last one',
        "schema": {"type": "string", "examples": ['</enrolment/v1/calls?after=call_01k&limit=50>; rel="next"']},
    },
    "Retry-After": {
        "description": "Seconds to wait before asking again (RFC 9110 section 10.2.3)",
        "schema": {"type": "integer", "minimum": 1, "examples": [2]},
    },
    "WWW-Authenticate": {
        "description": "Which credential is needed (RFC 6750 section 3)",
        "schema": {"type": "string", "examples": ['Bearer error="invalid_token"']},
    },
}
_HEADERS_OF_STATUS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def refusals(*kinds: type[ServiceError], as_page: bool = False) -> dict[int | str, Document]:
    """For `responses=` of an endpoint: the problems that its rules may answer, also `as_page` for browsers.

    What follows from its signature (token, scope, revision, idempotency key, shape of the request) is added to the
    document without being named.
    """
    answers: dict[int | str, Document] = {}
    for kind in kinds:
        answer = answers.setdefault(kind.status, _answer(kind.status))
        _add(answer, kind)
        if as_page:
            answer["content"]["text/html"] = {"schema": {"type": "string"}}
    return answers


def representations(*media_types: str) -> dict[int | str, Document]:
    """For `responses=` of an endpoint: what it answers beside, or instead of, JSON of its return type."""
    return {200: {"content": {name: {"schema": _schema_of(name)} for name in media_types}}}


def add_refusals(operation: Document, *kinds: type[ServiceError]) -> None:
    """Document that an operation may answer these problems, beside those it names already."""
    responses: Document = operation.setdefault("responses", {})
    for kind in kinds:
        answer = responses.setdefault(str(kind.status), _answer(kind.status))
        _add(answer, kind)


def add_headers(answer: Document, *names: str) -> None:
    """Document headers of an answer by their components."""
    headers = answer.setdefault("headers", {})
    for name in names:
        headers.setdefault(name, {"$ref": f"{REF}headers/{name}"})


def problem_codes(answer: Document) -> set[str]:
    """The problems that an answer documents."""
    return set(answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}))


def share_answers(document: Document) -> None:
    """Move problem answers that several operations have alike to `components`; the inverse of `inline_answers`."""
    found = [(responses, status, answer, _text(answer)) for responses, status, answer in _problem_answers(document)]
    times = Counter(text for *_, text in found)
    shared: Document = {}
    for responses, status, answer, text in found:
        codes = list(answer["content"][MEDIA_TYPE]["examples"])
        if times[text] > 1 and len(codes) <= MOST_NAMED:
            name = "Or".join(
                (*(_camel(code) for code in codes), *(["Page"] if "text/html" in answer["content"] else []))
            )
            name += "WithRateLimit" if "RateLimit" in answer.get("headers", {}) else ""
            while shared.setdefault(name, answer) != answer:
                name += "_"
            responses[status] = {"$ref": f"{REF}responses/{name}"}
    document["components"].setdefault("responses", {}).update(dict(sorted(shared.items())))


def inline_answers(document: Document) -> None:
    """Write shared answers where they are used."""
    shared = {name: _text(answer) for name, answer in document["components"].pop("responses", {}).items()}
    for operation in _operations(document):
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                operation["responses"][status] = json.loads(shared[answer["$ref"].rpartition("/")[2]])


def summary_of(kind: type[ServiceError]) -> str:
    """What a kind of problem means, from its docstring."""
    return (getdoc(kind) or kind.code).partition("\n")[0]


def _schema_of(media_type: str) -> Document:
    if media_type == "text/event-stream":
        # Readers of documents differ in whether a schema is of the stream or of each of its events.
        return {}
    return {"type": "object"} if is_json(media_type) else {"type": "string"}


def _answer(status: int) -> Document:
    answer: Document = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{REF}schemas/{Problem.__name__}"}, "examples": {}}},
    }
    if status in _HEADERS_OF_STATUS:
        add_headers(answer, *_HEADERS_OF_STATUS[status])
    return answer


def _add(answer: Document, kind: type[ServiceError]) -> None:
    """Name a kind of problem in an answer, which may have other representations, such as a page."""
    content = answer.setdefault("content", {}).setdefault(MEDIA_TYPE, _answer(kind.status)["content"][MEDIA_TYPE])
    examples = content.setdefault("examples", {})
    if kind.code not in examples:
        problem = Problem(
            type=TYPE_BASE + kind.code,
            title=kind.code.replace("_", " ").capitalize(),
            status=kind.status,
            detail=summary_of(kind),
            code=kind.code,
        )
        examples[kind.code] = {"summary": summary_of(kind), "value": problem.model_dump(exclude_none=True)}


def _operations(document: Document) -> Iterator[Document]:
    for item in document["paths"].values():
        yield from (
            operation for operation in item.values() if isinstance(operation, dict) and "responses" in operation
        )


def _problem_answers(document: Document) -> Iterator[tuple[Document, str, Document]]:
    for operation in _operations(document):
        for status, answer in list(operation["responses"].items()):
            if MEDIA_TYPE in answer.get("content", {}):
                yield operation["responses"], status, answer


def _text(value: Document) -> str:
    return json.dumps(value, sort_keys=True)


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))
