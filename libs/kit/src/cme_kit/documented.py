"""Holds the answers that tests get against the OpenAPI document of the app that gave them."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import httpx
from fastapi import FastAPI

from cme_kit.openapi import api_routes, openapi_of
from cme_kit.openapi_answers import HEADERS, inline_answers, problem_codes
from cme_kit.problems import MEDIA_TYPE


class Undocumented(AssertionError):
    """An answer that the document does not have; name its kind in `responses=refusals(…)` of the endpoint."""


class Documented:
    """A response hook of httpx: fails a test whose request is answered otherwise than documented."""

    def __init__(self, app: FastAPI) -> None:
        document = openapi_of(app)
        inline_answers(document)
        self._operations: list[tuple[re.Pattern[str], str, dict[str, Any]]] = [
            (route.path_regex, method, document["paths"][route.path_format][method.lower()])
            for route in api_routes(app)
            if route.include_in_schema
            for method in route.methods or ()
        ]

    async def __call__(self, response: httpx.Response) -> None:
        """Raises Undocumented. Answers of paths and methods that no endpoint has are not its business."""
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
            await response.aread()
            code = response.json()["code"]
            if code not in problem_codes(answer):
                raise Undocumented(f"{place} answers {response.status_code} {code}")
        named = {name for name in HEADERS if name in response.headers} - set(answer.get("headers", {}))
        if named:
            raise Undocumented(f"{place} answers {response.status_code} with {', '.join(sorted(named))}")

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        return next((found for pattern, of, found in self._operations if of == method and pattern.match(path)), None)
