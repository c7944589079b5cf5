"""Form bodies with every field as it was sent, repeated ones included."""

from __future__ import annotations

from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import Request

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 50


async def form_items(request: Request) -> list[tuple[str, str]]:
    """The fields of a form body. Raises InvalidRequestError for anything else (RFC 6749 appendix B)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidRequestError(f"Send the parameters as {FORM}.")
    try:
        body = (await request.body()).decode()
        return parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidRequestError("The form cannot be read.") from error
