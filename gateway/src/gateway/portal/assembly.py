"""The part of the composition root that is about the partner portal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cme_kit.clock import Clock
from cme_kit.outbox import Outbox
from cme_kit.pages import Pages
from fastapi import FastAPI

from gateway.accounts.browser import Browser
from gateway.clients.service import Clients
from gateway.peppered import Pepper
from gateway.portal import applications_router, router
from gateway.portal.rendering import PortalPages
from gateway.portal.service import Portal

#: In this order: the applications' last route takes every address below one.
ROUTERS = (router.router, applications_router.router)


@dataclass(frozen=True)
class Ground:
    """What the portal stands on."""

    #: The installation's public URL.
    base: str
    #: What handlers about people are provided with.
    people: Mapping[type, Any]
    outbox: Outbox
    clock: Clock
    pepper: Pepper
    clients: Clients


def install(app: FastAPI) -> None:
    """Routes."""
    for added in ROUTERS:
        app.include_router(added)


def compose(on: Ground) -> dict[type, Any]:
    """What handlers are provided with."""
    return {
        PortalPages: PortalPages(on.people[Pages], on.people[Browser], on.base),
        Portal: Portal(on.clients, on.pepper, on.outbox, on.clock),
    }
