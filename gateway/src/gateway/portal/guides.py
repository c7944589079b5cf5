"""The guides of the three journeys: their examples, filled in for this installation and the reader's application."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from cme_kit.pages import gettext_noop

from gateway.clients.domain import Client
from gateway.portal.snippets import api_of

#: What stands for the id of an application that is not known.
SOME_CLIENT = "test_…"


class Guide(StrEnum):
    """A journey."""

    CALL = "call"
    EVENTS = "events"
    CATALOGUE = "catalogue"


GUIDES: dict[Guide, tuple[str, str]] = {
    Guide.CALL: (
        gettext_noop("Register and call"),
        gettext_noop("From an account to the first answer of the API, by a system or for people who sign in."),
    ),
    Guide.EVENTS: (
        gettext_noop("Receive events"),
        gettext_noop("From an address of yours to a verified event, and what happens when your receiver is down."),
    ),
    Guide.CATALOGUE: (
        gettext_noop("Pull the catalogue"),
        gettext_noop("From nothing to a copy of the course catalogue that stays up to date at little cost."),
    ),
}


@dataclass(frozen=True)
class Example:
    """Code in one language."""

    #: How people call the language; no word of ours, so the same in every language.
    language: str
    file: str


#: The examples of the guides; tests run each of them.
EXAMPLES: dict[str, tuple[Example, ...]] = {
    "call": (Example("curl", "call.sh"), Example("Python", "call.py.txt"), Example("JavaScript", "call.mjs")),
    "people": (Example("OAuth 2.1", "people.txt"),),
    "webhook": (Example("curl", "webhook.sh"),),
    "receive": (Example("Python", "receive.py.txt"), Example("JavaScript", "receive.mjs")),
    "verify": (Example("Python", "verify_v1a.py.txt"),),
    "catalogue": (
        Example("curl", "catalogue.sh"),
        Example("Python", "catalogue.py.txt"),
        Example("JavaScript", "catalogue.mjs"),
    ),
}


@cache
def _text(file: str) -> str:
    return (files("gateway.portal") / "examples" / file).read_text(encoding="utf-8").rstrip("\n")


def filled(base: str, system: Client | None, app: Client | None) -> dict[str, list[tuple[str, str]]]:
    """Every example with its language, for a system and an application for people; without them, for the sandbox."""
    redirect = app.redirect_uris[0] if app else "https://partner.example/callback"
    values = {
        "base": base,
        "api": api_of(base, system),
        "client_id": system.client_id if system else SOME_CLIENT,
        "app_id": app.client_id if app else SOME_CLIENT,
        "redirect_uri": quote(redirect, safe=""),
    }

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"@@{name}@@", value)
        return text

    return {
        name: [(example.language, fill(_text(example.file))) for example in examples]
        for name, examples in EXAMPLES.items()
    }
