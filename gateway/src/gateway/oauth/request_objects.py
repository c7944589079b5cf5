"""Authorization requests as JWTs that the client signed (RFC 9101)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from cme_kit import jose

from gateway.clients.domain import Client
from gateway.oauth.parameters import single_values

#: The longest time between `nbf` and `exp`, seconds (FAPI 2.0 Message Signing section 5.3.1).
LONGEST = 3600
LEEWAY = 10
#: `typ` of a request object; an assertion or a proof that the same key signed is none (RFC 9101 section 10.8).
TYPES = frozenset({None, "JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"})
#: What the JWT says about itself, not about the request.
_OF_THE_JWT = {"iss", "aud", "exp", "nbf", "iat", "jti", "sub"}


class InvalidRequestObject(OAuth2Error):  # type: ignore[misc]  # authlib has no types
    """The JWT does not hold (RFC 9101 section 7)."""

    error = "invalid_request_object"


def read_request_object(request: str, client: Client, issuer: str, now: float) -> tuple[dict[str, str], float]:
    """The parameters in a request object, and when it was made at the latest, seconds since the epoch.

    None outside of it counts (RFC 9101 section 6.3). Raises OAuth2Error.
    """
    if client.keys is None:
        raise InvalidRequestObject("This client has no registered key to sign requests with.")
    try:
        header, claims = jose.verified(request, client.keys)
    except jose.InvalidJwt as error:
        raise InvalidRequestObject("The request is no JWT signed with a registered key.") from error
    if header.get("typ") not in TYPES:
        raise InvalidRequestObject("The request is a JWT for something else.")
    begins = _checked(claims, client, issuer, now)
    given = {name: value for name, value in claims.items() if name not in _OF_THE_JWT}
    if {"request", "request_uri"} & set(given) or given.get("client_id") != client.client_id:
        raise InvalidRequestObject("The request holds its own client_id, and no other request.")
    numbers_as_text = {name: str(value) if isinstance(value, int) else value for name, value in given.items()}
    texts = [(name, value) for name, value in numbers_as_text.items() if isinstance(value, str)]
    # By our clock: the client's may be ahead.
    return single_values(texts), begins - LEEWAY


def _checked(claims: dict[str, Any], client: Client, issuer: str, now: float) -> float:
    audience, expires, begins = claims.get("aud"), claims.get("exp"), claims.get("nbf", claims.get("iat"))
    if claims.get("iss") != client.client_id:
        raise InvalidRequestObject("The request's iss is the client_id.")
    if audience not in (issuer, [issuer]):
        raise InvalidRequestObject(f"The request's aud is {issuer}.")
    if not isinstance(expires, (int, float)) or not expires > now:
        raise InvalidRequestObject("The request has no exp, or it has passed.")
    if not isinstance(begins, (int, float)) or not begins <= now + LEEWAY or expires > begins + LONGEST:
        raise InvalidRequestObject("The request's nbf has passed, and exp is within an hour of it.")
    return float(begins)
