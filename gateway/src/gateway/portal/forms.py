"""The form of an application: what was typed, what is wrong with it, and the client that it describes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cme_kit.jose import PRIVATE_PARTS
from cme_kit.pages import gettext_noop
from pydantic import ValidationError

from gateway.clients.domain import Client, Profile, is_origin, is_redirect_uri
from gateway.clients.schemas import ClientRequest
from gateway.oauth.scopes import in_order
from gateway.portal.domain import Kind, auth_method_of, grants_of, kind_of
from gateway.portal.permissions import scopes_for

LONGEST_NAME = 100
MOST_ADDRESSES = 10
LONGEST_ADDRESS = 500

NAME_MISSING = gettext_noop("Enter a name of at most 100 characters, such as “Enrolment sync”.")
REDIRECTS_MISSING = gettext_noop(
    "Enter at least one address that people return to, such as https://partner.example/callback."
)
REDIRECT_WRONG = gettext_noop(
    "Write each redirect address on a line of its own, with https, or as http://127.0.0.1/… for an app on a device. Leave out user names and what follows a #."
)
ORIGIN_WRONG = gettext_noop("Write each origin on a line of its own, such as https://partner.example, without a path.")
TOO_MANY = gettext_noop("Enter at most 10 addresses of at most 500 characters.")
SCOPES_MISSING = gettext_noop("Choose at least one permission.")
KEYS_WRONG = gettext_noop(
    'Paste a JWK Set with one to five public keys of type EC, RSA or OKP, such as {"keys": [{"kty": "EC", …}]}.'
)
KEYS_PRIVATE = gettext_noop("These keys hold their private part. Keep that to yourself, and paste public keys only.")
KEYS_NEEDED = gettext_noop("The FAPI 2.0 profile needs public keys in place of a secret. Paste them here.")


@dataclass(frozen=True)
class ApplicationForm:
    """What somebody typed about an application; texts hold one address a line."""

    kind: Kind
    name: str = ""
    redirect_uris: str = ""
    origins: str = ""
    scopes: frozenset[str] = frozenset()
    fapi: bool = False
    jwks: str = ""

    @classmethod
    def of(cls, client: Client) -> ApplicationForm:
        """The form as it describes a registered client."""
        return cls(
            kind=kind_of(client),
            name=client.name,
            redirect_uris="\n".join(client.redirect_uris),
            origins="\n".join(client.origins),
            scopes=client.scopes,
            fapi=client.profile is Profile.FAPI,
            jwks=json.dumps(client.jwks, indent=1) if client.jwks is not None else "",
        )


@dataclass(frozen=True)
class Checked:
    """A form that was looked at: the client it describes, or what is wrong by the id of its field."""

    request: ClientRequest | None
    errors: dict[str, str] = field(default_factory=dict)


def checked_name(text: str) -> str | None:
    """The name of an application as it is stored; None for what is none."""
    name = " ".join(text.split())
    return name if 0 < len(name) <= LONGEST_NAME and name.isprintable() else None


def check(form: ApplicationForm) -> Checked:
    """The client of the sandbox that a form describes."""
    name = checked_name(form.name)
    redirects, origins = _lines(form.redirect_uris) if form.kind.is_for_people else [], _lines(form.origins)
    scopes = form.scopes & scopes_for(form.kind)
    jwks, wrong_keys = _keys(form)
    found = {
        "name": None if name else NAME_MISSING,
        "redirect_uris": _wrong(redirects, is_redirect_uri, REDIRECT_WRONG),
        "origins": _wrong(origins, is_origin, ORIGIN_WRONG),
        "scopes": None if scopes else SCOPES_MISSING,
        "jwks": wrong_keys,
    }
    if form.kind.is_for_people and not redirects:
        found["redirect_uris"] = REDIRECTS_MISSING
    if errors := {name: text for name, text in found.items() if text is not None}:
        return Checked(None, errors)
    try:
        request = ClientRequest(
            name=name or "",
            redirect_uris=redirects,
            grant_types=grants_of(form.kind),  # type: ignore[arg-type]  # checked by the model
            token_endpoint_auth_method=auth_method_of(form.kind, has_keys=jwks is not None),  # type: ignore[arg-type]
            jwks=jwks,
            scopes=in_order(scopes),
            profile=Profile.FAPI if form.fapi and jwks is not None else Profile.OAUTH,
            sandbox=True,
            origins=origins,
        )
    except ValidationError:
        # Everything else was looked at above; what keys may be, the registry knows.
        return Checked(None, {"jwks": KEYS_WRONG})
    return Checked(request)


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _wrong(addresses: list[str], is_right: Callable[[str], bool], told: str) -> str | None:
    if len(addresses) > MOST_ADDRESSES or any(len(one) > LONGEST_ADDRESS for one in addresses):
        return TOO_MANY
    return None if all(map(is_right, addresses)) else told


def _keys(form: ApplicationForm) -> tuple[dict[str, Any] | None, str | None]:
    if form.kind is Kind.APP:
        return None, None
    if not form.jwks.strip():
        return None, KEYS_NEEDED if form.fapi else None
    try:
        parsed = json.loads(form.jwks)
    except (ValueError, RecursionError):
        return None, KEYS_WRONG
    if not isinstance(parsed, dict):
        return None, KEYS_WRONG
    # A single key is what tools print; it is meant as the set of it.
    keys = {"keys": [parsed]} if "kty" in parsed else parsed
    listed = keys.get("keys")
    if isinstance(listed, list) and any(isinstance(key, dict) and PRIVATE_PARTS & set(key) for key in listed):
        return None, KEYS_PRIVATE
    return keys, None
