"""Holds the answers that tests get against the OpenAPI document of whoever gave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Self

import httpx
from fastapi import FastAPI

from cme_kit.openapi import api_routes, openapi_of
from cme_kit.openapi_answers import HEADERS, Document, inline_answers, problem_codes
from cme_kit.problems import MEDIA_TYPE

_PARAMETER = re.compile(r"\\\{[^{}]+\\\}")


class Undocumented(AssertionError):
    """An answer that the document does not have; name its kind in `responses=refusals(…)` of the endpoint."""


class Documented:
    """Fails a test whose request is answered otherwise than documented."""

    def __init__(self, operations: Sequence[tuple[re.Pattern[str], str, Document]]) -> None:
        """`operations` are matched in their order: the pattern of a path, a method, and what is documented."""
        self._operations = operations

    @classmethod
    def of_app(cls, app: FastAPI) -> Self:
        """By the document of an app, path by path as it routes them."""
        document = openapi_of(app)
        inline_answers(document)
        routes = [route for route in api_routes(app) if route.include_in_schema]
        return cls(
            [
                (route.path_regex, method, document["paths"][route.path_format][method.lower()])
                for route in routes
                for method in route.methods or ()
            ]
        )

    @classmethod
    def of_document(cls, document: Document, prefix: str) -> Self:
        """By a document as it is served, for the paths that begin so."""
        inline_answers(document)
        # A path without parameters goes before one that its last name would fit.
        paths = sorted(
            (path for path in document["paths"] if path.startswith(prefix)), key=lambda path: path.count("{")
        )
        return cls(
            [
                (re.compile(_PARAMETER.sub("[^/]+", re.escape(path)) + "$"), method.upper(), operation)
                for path in paths
                for method, operation in document["paths"][path].items()
            ]
        )

    async def check_soon(self, response: httpx.Response) -> None:
        """For an asynchronous client's response hooks. Raises Undocumented."""
        await response.aread()
        self._check(response)

    def check(self, response: httpx.Response) -> None:
        """For a client's response hooks. Raises Undocumented."""
        if "text/event-stream" not in response.headers.get("content-type", ""):
            response.read()
        self._check(response)

    def _check(self, response: httpx.Response) -> None:
        """Answers of paths and methods that no endpoint has are not its business."""
        request = response.request
        operation = self._operation(request.method, request.url.path)
        if operation is None:
            return
        place = f"{request.method} {request.url.path} ({operation['operationId']})"
        answer = operation["responses"].get(str(response.status_code))
        if answer is None:
            raise Undocumented(f"{place} answers {response.status_code}")
        media_type = response.headers.get("content-type", "").partition(";")[0]
        # A 304 names the type of what it leaves out.
        if (
            media_type
            and response.status_code != HTTPStatus.NOT_MODIFIED
            and media_type not in answer.get("content", {})
        ):
            raise Undocumented(f"{place} answers {response.status_code} as {media_type}")
        if media_type == MEDIA_TYPE:
            code = response.json()["code"]
            if code not in problem_codes(answer):
                raise Undocumented(f"{place} answers {response.status_code} {code}")
        named = {name for name in HEADERS if name in response.headers} - set(answer.get("headers", {}))
        if named:
            raise Undocumented(f"{place} answers {response.status_code} with {', '.join(sorted(named))}")

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        return next((found for pattern, of, found in self._operations if of == method and pattern.match(path)), None)
