"""What an authorization request has to be, pushed or not (RFC 6749 section 4.1.1, RFC 7636, RFC 8707, RFC 9126)."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error, UnauthorizedClientError
from cme_kit.clock import Clock

from gateway.clients.domain import Client
from gateway.edge.limits import TARGET_LIMIT
from gateway.oauth.authentication import ClientAuthentication
from gateway.oauth.domain import PUSHED_LIFETIME, PushedRequest
from gateway.oauth.minting import Mint
from gateway.oauth.parameters import InvalidTarget
from gateway.oauth.possession import Possession
from gateway.oauth.protocol import AUTH_METHODS, Request, View
from gateway.oauth.repository import GrantRepository
from gateway.oauth.request_objects import read_request_object
from gateway.peppered import fingerprint

PUSHED_PREFIX = "urn:ietf:params:oauth:request_uri:"
PAR_PATH = "/oauth/par"
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_AGE = re.compile(r"[0-9]{1,9}")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


def parameters_of(
    values: dict[str, str], client: Client, issuer: str, now: datetime
) -> tuple[dict[str, str], datetime | None]:
    """The parameters of a request, out of its request object when it has one, and when that was made.

    Raises OAuth2Error.
    """
    if "request" not in values:
        return values, None
    inside, made = read_request_object(values["request"], client, issuer, now.timestamp())
    if values.get("client_id") != client.client_id:
        raise InvalidRequestError("client_id is another one than in the request.")
    return inside, datetime.fromtimestamp(made, now.tzinfo)


def check_request(values: dict[str, str], client: Client, issuer: str, audience: str, now: datetime) -> None:
    """Raises OAuth2Error, with `redirect_uri` set when the client may be told by a redirect."""
    if "redirect_uri" not in values:
        raise InvalidRequestError("The request has no redirect_uri.")
    view = View(issuer=issuer, now=now, client=client)
    view.server().get_consent_grant(Request("GET", values))
    redirect_uri = values["redirect_uri"]
    if values.get("resource", audience) != audience:
        raise InvalidTarget(f"The only resource of this client is {audience}.", redirect_uri=redirect_uri)
    prompts = set(values.get("prompt", "").split())
    if not prompts <= PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError("prompt is none, or some of login and consent.", redirect_uri=redirect_uri)
    if not _AGE.fullmatch(values.get("max_age", "0")):
        raise InvalidRequestError("max_age is a number of seconds.", redirect_uri=redirect_uri)
    if values.get("response_mode", "query") != "query":
        raise InvalidRequestError("The only response_mode is query.", redirect_uri=redirect_uri)
    if "dpop_jkt" in values and not _THUMBPRINT.fullmatch(values["dpop_jkt"]):
        raise InvalidRequestError("dpop_jkt is the SHA-256 thumbprint of a key.", redirect_uri=redirect_uri)


class PushedRequests:
    """The pushed authorization request endpoint."""

    def __init__(
        self,
        issuer: str,
        authentication: ClientAuthentication,
        possession: Possession,
        grants: GrantRepository,
        mint: Mint,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._authentication = authentication
        self._possession = possession
        self._grants = grants
        self._mint = mint
        self._clock = clock

    async def push(
        self, values: dict[str, str], authorization: str | None, proofs: list[str]
    ) -> tuple[dict[str, Any], str | None]:
        """The answer to a pushed request, and the nonce of the next proof (RFC 9126 section 2.2). Raises OAuth2Error."""
        view = await self._authentication.view(values, authorization)
        view.server().authenticate_client(Request("POST", values, authorization), AUTH_METHODS)
        client = view.client
        if "request_uri" in values:
            raise InvalidRequestError("A pushed request cannot name another one.")
        if client is not None and client.is_public and sum(map(len, values.values())) > TARGET_LIMIT:
            # Anybody may push in the name of an app without a credential.
            raise InvalidRequestError(f"Without a credential push at most {TARGET_LIMIT} characters.")
        if client is not None and "authorization_code" not in client.grant_types:
            raise UnauthorizedClientError("This client does not use the authorization code grant.")
        # A proof is welcome, not needed: it binds the code to its key (RFC 9449 section 10.1).
        proof = self._possession.check(client, proofs, PAR_PATH) if proofs else None
        client = await self._authentication.confirm(view)
        now = self._clock.now()
        asked, _ = parameters_of({**values, "client_id": client.client_id}, client, self._issuer, now)
        try:
            check_request(asked, client, self._issuer, self._mint.audience_of(client), now)
        except OAuth2Error as error:
            error.redirect_uri = None  # the client itself is asking, so it is answered
            raise
        if proof is not None and asked.get("dpop_jkt", proof.thumbprint) != proof.thumbprint:
            raise InvalidRequestError("dpop_jkt names another key than the proof.")
        await self._possession.use(proof)
        request_uri = PUSHED_PREFIX + secrets.token_urlsafe(32)
        kept = {name: value for name, value in asked.items() if not name.startswith("client_") or name == "client_id"}
        bound_to = proof.thumbprint if proof is not None else None
        pushed = PushedRequest(client.client_id, kept, now, now + PUSHED_LIFETIME, bound_to)
        await self._grants.push(fingerprint(request_uri), pushed)
        answer = {"request_uri": request_uri, "expires_in": int(PUSHED_LIFETIME.total_seconds())}
        return answer, self._possession.next_nonce(proof)
