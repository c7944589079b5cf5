"""Bodies of the client registry (names of RFC 7591 section 2 where it has them)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from cme_kit import jose
from cme_kit.schemas import Schema, ShortText, example
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema, model_validator

from gateway.clients.domain import ClientStatus, Profile, is_origin, is_redirect_uri
from gateway.oauth.scopes import SCOPES

OrganisationId = Annotated[str, StringConstraints(pattern=r"^org_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
GrantType = Literal[
    "client_credentials", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"
]
AuthMethod = Literal["client_secret_basic", "private_key_jwt", "none"]
#: Scopes of the gateway itself and of its operators, which a sandbox client has no use for.
REAL_ONLY = ("gateway.accounts:", "gateway.clients:", "gateway.keys:", "gateway.audit:", "operations:")
CLIENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$"
IDS_OF_OTHERS = ("per_", "org_", "gnt_")
#: What the audit trail calls who is no client.
RESERVED = frozenset({"system", "unknown"})
#: A key in use, the next one, and some to spare.
MOST_KEYS = 5
#: What of a key is kept (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2); the rest says nothing to us.
KEY_MEMBERS = {"EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "RSA": ("n", "e")}
LONGEST_KEY_ID = 200


def _redirect_uri(value: str) -> str:
    if not is_redirect_uri(value):
        raise ValueError("give an https address, or http://127.0.0.1/… for an app, without fragment or user part")
    return value


def _origin(value: str) -> str:
    if not is_origin(value):
        raise ValueError("give an origin such as https://partner.example, without a path")
    return value


def _https(value: str) -> str:
    if not value.startswith("https://") or not is_redirect_uri(value):
        raise ValueError("give an https address")
    return value


def _visible(value: str) -> str:
    if not value.isprintable():
        raise ValueError("write the name in visible characters")
    return value


LONGEST_ADDRESS = 500
#: People are shown it when they decide: nothing in it hides, or turns the direction of what stands around it.
Name = Annotated[ShortText, AfterValidator(_visible)]
RedirectUri = Annotated[str, StringConstraints(max_length=LONGEST_ADDRESS), AfterValidator(_redirect_uri)]
Address = Annotated[str, StringConstraints(max_length=LONGEST_ADDRESS, pattern=r"^https://"), AfterValidator(_https)]


def _not_a_persons(value: str) -> str:
    if value.startswith(IDS_OF_OTHERS) or value in RESERVED:
        raise ValueError("choose an id that does not begin like a person's or an organisation's")
    return value


def _scope(value: str) -> str:
    if value not in SCOPES:
        raise ValueError("there is no such scope")
    return value


#: One of the table, which readers of the schema see too.
Scope = Annotated[str, AfterValidator(_scope), WithJsonSchema({"type": "string", "enum": list(SCOPES)})]


def _public_keys(value: dict[str, Any]) -> dict[str, Any]:
    keys = value.get("keys")
    if set(value) != {"keys"} or not isinstance(keys, list) or not 1 <= len(keys) <= MOST_KEYS:
        raise ValueError("give a JWK Set with one to five public keys")
    kept = [_public_key(key) for key in keys]
    if len({key["kid"] for key in kept}) < len(kept):
        raise ValueError("give each key a kid of its own")
    return {"keys": kept}


def _public_key(value: object) -> dict[str, Any]:
    key = jose.public_key(value)
    given = key.as_dict(private=False)
    members = ("kty", *KEY_MEMBERS[str(given["kty"])], "kid", "use", "alg")
    kept = {name: given[name] for name in members if name in given}
    key_id = kept.setdefault("kid", key.thumbprint())
    if not isinstance(key_id, str) or not 0 < len(key_id) <= LONGEST_KEY_ID or not key_id.isprintable():
        raise ValueError(f"a kid is a text of at most {LONGEST_KEY_ID} printable characters")
    return kept


ClientId = Annotated[
    str,
    StringConstraints(pattern=CLIENT_ID),
    AfterValidator(_not_a_persons),
    Field(
        json_schema_extra={
            "not": {
                "pattern": "|".join((*(f"^{one}" for one in IDS_OF_OTHERS), *(f"^{one}$" for one in sorted(RESERVED))))
            }
        }
    ),
]
ABOUT = ("client_uri", "logo_uri", "tos_uri", "policy_uri")


class ClientRequest(Schema):
    """A client to register."""

    model_config = example(
        name="Course catalogue of the ECCP",
        grant_types=["client_credentials"],
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106  (the name of a method)
        scopes=["curriculum.catalogue:read"],
    )

    # None that could be taken for a person's or an organisation's (RFC 9700 section 4.15).
    client_id: ClientId | None = Field(default=None, description="A readable id; one is made when it is left out")
    name: Name = Field(description="What people are shown when it asks for access")
    redirect_uris: list[RedirectUri] = Field(
        default=[], max_length=10, description="Where people return to; the port of a loopback address is free"
    )
    grant_types: list[GrantType] = Field(min_length=1, description="How it gets tokens")
    token_endpoint_auth_method: AuthMethod = Field(description="How it proves who it is; none for apps")
    jwks: Annotated[dict[str, Any], AfterValidator(_public_keys)] | None = Field(
        default=None, description="Its public keys, for private_key_jwt"
    )
    scopes: list[Scope] = Field(min_length=1, max_length=100, description="The most its tokens may ever do")
    organisation_id: OrganisationId | None = Field(default=None, description="The organisation it acts for")
    profile: Profile = Field(
        default=Profile.OAUTH,
        description="`fapi`: FAPI 2.0 Security Profile, with pushed requests and key-bound tokens",
    )
    sandbox: bool = Field(
        default=False, strict=True, description="Whether its tokens open the sandbox, and nothing else"
    )
    dpop_bound_access_tokens: bool = Field(
        default=False, strict=True, description="Whether every token has to be bound to its key (RFC 9449 section 5.2)"
    )
    origins: list[Annotated[str, AfterValidator(_origin)]] = Field(
        default=[], max_length=10, description="Origins that its scripts call from, for CORS"
    )
    client_uri: Address | None = Field(default=None, description="Its page")
    logo_uri: Address | None = Field(default=None, description="Its logo")
    tos_uri: Address | None = Field(default=None, description="Its terms of service")
    policy_uri: Address | None = Field(default=None, description="Its privacy policy")

    def about(self) -> dict[str, str]:
        """The addresses that people are told."""
        given = {name: getattr(self, name) for name in ABOUT}
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _fits_its_profile(self) -> Self:
        if self.profile is Profile.FAPI and self.token_endpoint_auth_method != "private_key_jwt":
            raise ValueError("the fapi profile needs private_key_jwt")
        if self.sandbox and any(scope.startswith(REAL_ONLY) for scope in self.scopes):
            raise ValueError("a sandbox client gets no scope of the gateway's administration or of operators")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        code_flow = "authorization_code" in self.grant_types
        if self.token_endpoint_auth_method == "none" and set(self.grant_types) - {
            "authorization_code",
            "refresh_token",
        }:
            raise ValueError("a client without a credential uses authorization_code, and refresh_token with it")
        if code_flow != bool(self.redirect_uris):
            raise ValueError("authorization_code needs redirect_uris, and nothing else does")
        if "refresh_token" in self.grant_types and not code_flow:
            raise ValueError("refresh_token goes with authorization_code")
        if (self.token_endpoint_auth_method == "private_key_jwt") != (self.jwks is not None):
            raise ValueError("private_key_jwt needs jwks, and nothing else does")
        return self


class SecretView(BaseModel):
    """A live secret, as far as it is ever shown again."""

    hint: str = Field(description="Its last four characters")
    created_at: datetime


class ClientView(BaseModel):
    """A registered client."""

    client_id: str
    name: str
    redirect_uris: list[str]
    grant_types: list[str]
    token_endpoint_auth_method: str
    scopes: list[str]
    organisation_id: str | None = None
    profile: Profile = Profile.OAUTH
    status: ClientStatus = ClientStatus.ACTIVE
    sandbox: bool = False
    dpop_bound_access_tokens: bool = False
    origins: list[str] = []
    secrets: list[SecretView] = []
    created_at: datetime


class RegisteredClient(ClientView):
    """A new client with its secret, which is shown this once and stored as a keyed hash only."""

    client_secret: str | None = Field(default=None, description="256 random bits; only for client_secret_basic")


class NewSecret(SecretView):
    """A second secret, shown this once; the first one holds until it is removed."""

    client_secret: str = Field(description="256 random bits")
