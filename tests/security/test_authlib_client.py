"""authlib's own client completes the flows in both profiles; what it has no support for is added around it."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Generator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from .browser import allow

#: The first test that looks at the demonstration waits for all of it.
pytestmark = pytest.mark.timeout(600)
CALLBACK = "http://127.0.0.1:5555/callback"
SCOPE = "openid profile"


def client_of(oauth: Any, name: str, **options: Any) -> OAuth2Client:
    """Authlib's client, set up from the metadata."""
    metadata = httpx.get(f"{oauth.issuer}/.well-known/openid-configuration").json()
    known = oauth.clients[name]
    method = {"client_secret": "client_secret_basic", "private_jwk": "private_key_jwt"}
    chosen = next((used for field, used in method.items() if field in known), "none")
    made = OAuth2Client(
        known["client_id"],
        known.get("client_secret") or (ECKey.import_key(known["private_jwk"]) if "private_jwk" in known else None),
        token_endpoint_auth_method=chosen,
        revocation_endpoint_auth_method=chosen,
        token_endpoint=metadata["token_endpoint"],
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        timeout=20,
        **options,
    )
    if chosen == "private_key_jwt":
        # The issuer as audience, which both profiles take.
        made.register_client_auth_method(_Assertion(oauth.issuer, known["private_jwk"]["kid"]))
    made.metadata |= {name: value for name, value in metadata.items() if name.endswith("_endpoint")}
    return made


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]  # authlib has no types
    def __init__(self, audience: str, key_id: str) -> None:
        super().__init__(audience, headers={"kid": key_id}, alg="ES256")


class Proofs(httpx.Auth):
    """Proofs of possession around authlib's requests (RFC 9449), again with the nonce that the server asks for."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", private=True)
        self._nonce: str | None = None

    def _proof(self, request: httpx.Request, token: str | None) -> str:
        url = str(request.url.copy_with(query=None, fragment=None))
        claims: dict[str, Any] = {
            "jti": secrets.token_hex(8),
            "htm": request.method,
            "htu": url,
            "iat": int(time.time()),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self._key.as_dict(private=False)}
        return jwt.encode(header, claims, self._key, algorithms=["ES256"])

    def learn(self, response: httpx.Response) -> None:
        """Keep the nonce of an answer."""
        self._nonce = response.headers.get("dpop-nonce", self._nonce)

    def sign(self, request: httpx.Request) -> None:
        """Put a proof beside a request to the authorization server."""
        request.headers["DPoP"] = self._proof(request, None)

    def auth_flow(self, request: httpx.Request, token: str = "") -> Generator[httpx.Request, httpx.Response, None]:
        """A request to the API with a bound token."""
        bound = request.headers["Authorization"].partition(" ")[2]
        request.headers["DPoP"] = self._proof(request, bound)
        response = yield request
        self.learn(response)
        if (
            response.status_code == httpx.codes.UNAUTHORIZED
            and "use_dpop_nonce" in response.headers["www-authenticate"]
        ):
            request.headers["DPoP"] = self._proof(request, bound)
            yield request


def signed_in(client: OAuth2Client, user: Any, **extra: Any) -> dict[str, Any]:
    """The code flow; `iss` and `state` are checked as RFC 9207 and RFC 6749 want it."""
    verifier = secrets.token_urlsafe(48)
    url, state = client.create_authorization_url(
        client.metadata["authorization_endpoint"], code_verifier=verifier, scope=SCOPE, **extra
    )
    back = allow(user, url, CALLBACK)
    return dict(client.fetch_token(authorization_response=back, state=state, code_verifier=verifier))


@pytest.mark.parametrize("name", ["sandbox-secret", "sandbox-jwt"])
def test_client_credentials_are_used_asked_about_and_ended(oauth: Any, name: str) -> None:
    with client_of(oauth, name) as client:
        token = client.fetch_token(grant_type="client_credentials", scope="curriculum.catalogue:read")
        assert client.get(oauth.issuer + oauth.resource).status_code == 200

        known = token["access_token"]
        about = client.introspect_token(client.metadata["introspection_endpoint"], token=known)
        assert (about.json()["active"], about.json()["scope"]) == (True, "curriculum.catalogue:read")
        assert client.revoke_token(client.metadata["revocation_endpoint"], token=known).status_code == 200
        assert client.introspect_token(client.metadata["introspection_endpoint"], token=known).json() == {
            "active": False
        }


@pytest.mark.parametrize("name", ["sandbox-app", "sandbox-web"])
def test_the_code_flow_and_its_refresh_token(oauth: Any, name: str) -> None:
    with client_of(oauth, name) as client:
        token = signed_in(client, oauth.user, nonce="n-0S6")

        keys = KeySet.import_key_set(httpx.get(f"{oauth.issuer}/oauth/jwks").json())
        claims = jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims
        assert (claims["sub"], claims["nonce"], claims["iss"]) == (oauth.user.subject, "n-0S6", oauth.issuer)
        assert client.get(f"{oauth.issuer}/oauth/userinfo").json()["sub"] == oauth.user.subject
        again = client.refresh_token()
        assert ("refresh_token" in again and again["refresh_token"] != token["refresh_token"]) == (
            name == "sandbox-app"
        )


def test_a_token_is_exchanged_for_a_narrower_one(oauth: Any) -> None:
    with client_of(oauth, "exchanger") as client:
        held = client.fetch_token(grant_type="client_credentials")

        less = client.fetch_token(
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=held["access_token"],
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
            scope="curriculum.catalogue:read",
        )

        assert (held["scope"] != less["scope"], less["scope"]) == (True, "curriculum.catalogue:read")


@pytest.mark.parametrize("name", ["sandbox-secret", "sandbox-fapi"])
def test_client_credentials_bound_to_a_key(oauth: Any, name: str) -> None:
    proofs = Proofs()
    with client_of(oauth, name, event_hooks={"request": [proofs.sign], "response": [proofs.learn]}) as client:
        asked = {"grant_type": "client_credentials", "scope": "enrolment.applications:read"}
        if name == "sandbox-fapi":
            with pytest.raises(AuthlibBaseError, match="use_dpop_nonce"):
                client.fetch_token(**asked)
        token = client.fetch_token(**asked)  # with the nonce of the first answer

    assert token["token_type"] == "DPoP"
    headers = {"Authorization": f"DPoP {token['access_token']}"}
    with httpx.Client(auth=proofs) as api:
        assert api.get(oauth.issuer + oauth.resource, headers=headers).status_code == 200


def test_what_the_server_refuses_reaches_the_caller(oauth: Any) -> None:
    with client_of(oauth, "sandbox-secret") as client, pytest.raises(AuthlibBaseError, match="invalid_scope"):
        client.fetch_token(grant_type="client_credentials", scope="enrolment.calls:write")


def test_the_code_flow_of_fapi(oauth: Any) -> None:
    proofs = Proofs()
    with client_of(oauth, "sandbox-fapi", event_hooks={"response": [proofs.learn]}) as client:
        client.event_hooks["request"] = [lambda r: proofs.sign(r) if "/oauth/" in str(r.url) else None]
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(8)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        request = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        par = client.metadata["pushed_authorization_request_endpoint"]
        authentication = client.client_auth(client.token_endpoint_auth_method)

        def push() -> httpx.Response:
            answer: httpx.Response = client.request("POST", par, data=request, auth=authentication, withhold_token=True)
            return answer

        pushed = push()
        if pushed.status_code == httpx.codes.BAD_REQUEST:
            pushed = push()  # with the nonce of the first answer
        assert pushed.status_code == 201, pushed.text
        query = {"client_id": client.client_id, "request_uri": pushed.json()["request_uri"]}
        back = allow(oauth.user, f"{client.metadata['authorization_endpoint']}?{urlencode(query)}", CALLBACK)

        token = client.fetch_token(authorization_response=back, state=state, code_verifier=verifier)

        assert (token["token_type"], "refresh_token" in token) == ("DPoP", True)
        refreshed = client.refresh_token(refresh_token=token["refresh_token"])
        assert (refreshed["token_type"], refreshed.get("refresh_token", token["refresh_token"])) == (
            *("DPoP", token["refresh_token"]),
        )
        headers = {"Authorization": f"DPoP {token['access_token']}"}
        with httpx.Client(auth=proofs) as api:
            assert api.get(oauth.issuer + oauth.resource, headers=headers).status_code == 200
            bare = httpx.get(
                oauth.issuer + oauth.resource, headers={"Authorization": f"Bearer {token['access_token']}"}
            )
            assert bare.status_code == 401
