"""Strict JSON: what the standard library lets pass and MongoDB, browsers or auditors would not (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute

from cme_kit.problems import ServiceError

MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
MAX_DIGITS = 20
#: Up to here floating-point numbers count in ones (RFC 7493 section 2.2).
MAX_EXACT = 2**53 - 1


class MalformedJson(ServiceError):
    """The body is no JSON that may be stored and sent on."""

    code, status = "malformed_json", 400


class UnsupportedMediaType(ServiceError):
    """The body is declared as something else than what is read here (RFC 9110 section 15.5.16)."""

    code, status = "unsupported_media_type", 415


def is_json(media_type: str) -> bool:
    """Whether a media type, in small letters and without parameters, is JSON or built on it (RFC 6839)."""
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJson("An object of the body has the same key twice.")
    return result


def _constant(name: str) -> Any:
    raise MalformedJson(f"{name} is not a number in JSON.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS or abs(value := int(digits)) > MAX_INTEGER:
        raise MalformedJson("A whole number of the body is larger than 64 bits hold.")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise MalformedJson("A number of the body is too large.")
    # 5.0 is a whole number in JSON Schema (section 6.1.1), which knows no other difference than the fraction.
    return int(value) if value.is_integer() and abs(value) <= MAX_EXACT else value


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float)


def _depth(text: str) -> int:
    deepest = depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def parse(body: bytes) -> Any:
    """Parse a body.

    Raises MalformedJson for bad UTF-8, depth over 32, double keys, NaN, infinite or huge numbers, NUL characters and
    lone surrogates.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson("The body is not UTF-8.") from error
    # Counting brackets bounds the depth before the recursive parser sees it; strings matter only when it is exceeded.
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise MalformedJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
    try:
        value = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson("The body is not valid JSON.") from error
    if "\\u" in text:
        if "\\u0000" in text:
            raise MalformedJson("The body has a NUL character.")
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise MalformedJson("A text of the body has half of a surrogate pair.") from error
    return value


class StrictRequest(Request):
    """A request whose JSON body is parsed strictly."""

    async def json(self) -> Any:
        """The parsed body. Raises MalformedJson."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body by `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap the handler so that it sees a StrictRequest."""
        handler = super().get_route_handler()
        reads_json = self.body_field is not None and not isinstance(self.body_field.field_info, Form)

        async def strict(request: Request) -> Response:
            strict_request = StrictRequest(request.scope, request.receive)
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            # Parsed here, because FastAPI turns what a parser raises inside it into an error of its own.
            if is_json(media_type) and await strict_request.body():
                await strict_request.json()
            elif reads_json and await strict_request.body():
                raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
            response: Response = await handler(strict_request)
            if response.status_code == HTTPStatus.NO_CONTENT and "content-type" in response.headers:
                # FastAPI names the type of the body that is not there.
                del response.headers["content-type"]
            return response

        return strict
