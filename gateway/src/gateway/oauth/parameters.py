"""Reading the parameters of a request to the authorization server, before anything is looked up."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from cme_kit import jose

#: What RFC 6749 appendix A allows in most values; authlib writes some of them into error descriptions.
_PARAMETER = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_STATE = re.compile(r"[\x20-\x7e]*")
_HINT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,254}")
#: No client has an id of other characters; what else is claimed is looked for nowhere and kept nowhere.
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,100}")
#: The parameters that somebody here reads; unknown ones are ignored (RFC 6749 section 3.1).
_READ = {
    **dict.fromkeys(("response_type", "response_mode", "client_id", "redirect_uri", "scope", "resource"), _PARAMETER),
    **dict.fromkeys(("code_challenge", "code_challenge_method", "code_verifier", "dpop_jkt"), _PARAMETER),
    **dict.fromkeys(("nonce", "prompt", "max_age", "id_token_hint", "request", "request_uri"), _PARAMETER),
    **dict.fromkeys(("grant_type", "code", "refresh_token", "token", "token_type_hint", "client_secret"), _PARAMETER),
    **dict.fromkeys(("client_assertion", "client_assertion_type"), _PARAMETER),
    **dict.fromkeys(
        ("subject_token", "subject_token_type", "requested_token_type", "actor_token", "audience"), _PARAMETER
    ),
    "state": _STATE,
    "login_hint": _HINT,
}


class InvalidTarget(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """The resource is none of ours (RFC 8707 section 2)."""

    error = "invalid_target"


def single_values(items: list[tuple[str, str]]) -> dict[str, str]:
    """The parameters of a request that are known. Raises InvalidRequestError for a repeated one and for bad characters."""
    values = dict(items)
    if len(values) != len(items):
        raise InvalidRequestError("A parameter is sent twice.")
    for name, allowed in _READ.items():
        if name in values and not allowed.fullmatch(values[name]):
            raise InvalidRequestError(f"'{name}' has characters that are not allowed.")
    return {name: value for name, value in values.items() if value and name in _READ}


def claimed_client_id(values: dict[str, str], authorization: str | None) -> str | None:
    """Who a token request says it comes from, not verified.

    Raises InvalidClientError when that cannot be read and InvalidRequestError for two ways at once (RFC 6749 section 2.3).
    """
    claimed = _claimed(values, authorization)
    if claimed is not None and not _CLIENT_ID.fullmatch(claimed):
        raise InvalidClientError(description="The client does not exist on this server.")
    return claimed


def _claimed(values: dict[str, str], authorization: str | None) -> str | None:
    assertion = values.get("client_assertion")
    if authorization is not None:
        if assertion or "client_secret" in values:
            raise InvalidRequestError("Authenticate in one way only.")
        return _basic_client_id(authorization)
    if assertion is None:
        return values.get("client_id")
    subject = _subject_of(assertion)
    if values.get("client_id", subject) != subject:
        raise InvalidClientError(description="client_id and the assertion name different clients.")
    return subject


def _basic_client_id(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientError(status_code=401, description="Authenticate with HTTP Basic or a client assertion.")
    try:
        client_id, separator, _ = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidClientError(status_code=401, description="The Authorization header cannot be read.") from error
    if not separator:
        raise InvalidClientError(status_code=401, description="The Authorization header has no secret.")
    return unquote_plus(client_id)


def _subject_of(assertion: str) -> str:
    try:
        _, claims = jose.unverified(assertion)
    except jose.InvalidJwt as error:
        raise InvalidClientError(description="The client assertion is no JWT.") from error
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClientError(description="The client assertion names no client.")
    return subject
