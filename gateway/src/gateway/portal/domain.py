"""What a partner's developer makes here: applications of three kinds, with a limit."""

from __future__ import annotations

from enum import StrEnum

from cme_kit.pages import gettext_noop

from gateway.clients.domain import Client

#: Applications that one person may have at a time.
MOST_APPLICATIONS = 20
#: Who decides about access to real data.
DECIDERS = frozenset({"operator", "coordinator"})


class Kind(StrEnum):
    """How an application runs, which decides how it proves who it is."""

    #: A system that calls by itself.
    SYSTEM = "system"
    #: A web application whose server keeps a secret, for people who sign in.
    WEB = "web"
    #: A single-page or native app, which keeps none.
    APP = "app"

    @property
    def is_for_people(self) -> bool:
        """Whether it acts for people who sign in."""
        return self is not Kind.SYSTEM


#: Each kind's name and what it is, as the portal says it.
KINDS: dict[Kind, tuple[str, str]] = {
    Kind.SYSTEM: (
        gettext_noop("A system"),
        gettext_noop("It runs on your server and calls by itself, for example every night. No person signs in."),
    ),
    Kind.WEB: (
        gettext_noop("A web application"),
        gettext_noop("People sign in to it, and its server keeps a secret."),
    ),
    Kind.APP: (
        gettext_noop("A single-page or native app"),
        gettext_noop(
            "People sign in to it in their browser or on their device, where no secret is safe. It uses PKCE."
        ),
    ),
}


def grants_of(kind: Kind) -> list[str]:
    """How applications of a kind get tokens."""
    return ["authorization_code", "refresh_token"] if kind.is_for_people else ["client_credentials"]


def auth_method_of(kind: Kind, *, has_keys: bool) -> str:
    """How an application proves who it is at the token endpoint."""
    if kind is Kind.APP:
        return "none"
    return "private_key_jwt" if has_keys else "client_secret_basic"


def kind_of(client: Client) -> Kind:
    """Which kind a registered client is."""
    if client.is_public:
        return Kind.APP
    return Kind.WEB if "authorization_code" in client.grant_types else Kind.SYSTEM
