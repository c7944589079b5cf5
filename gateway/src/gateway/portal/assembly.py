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
from gateway.accounts.service import Accounts
from gateway.clients.service import Clients
from gateway.edge.allowances import Limits
from gateway.mail.service import Mail
from gateway.peppered import Pepper
from gateway.portal import applications_router, deliveries_router, guides_router, router, usage_router, webhooks_router
from gateway.portal.rendering import PortalPages
from gateway.portal.service import Portal
from gateway.portal.usage_service import PortalUsage
from gateway.portal.webhooks_service import PortalWebhooks
from gateway.usage.service import Usage
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.samples import Samples
from gateway.webhooks.service import Webhooks

#: In this order: the applications' last route takes every address below one.
ROUTERS = (
    *(router.router, guides_router.router, webhooks_router.router, deliveries_router.router),
    *(usage_router.router, applications_router.router),
)


@dataclass(frozen=True)
class Ground:
    """What the portal stands on."""

    #: The installation's public URL.
    base: str
    #: What handlers about people, webhooks and usage are provided with.
    provided: Mapping[type, Any]
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
    given = on.provided
    portal = Portal(*(on.clients, given[Webhooks], given[Accounts], given[Mail], on.pepper, on.outbox, on.clock))
    return {
        PortalPages: PortalPages(given[Pages], given[Browser], on.base),
        Portal: portal,
        PortalUsage: PortalUsage(portal, given[Usage], given[Limits], on.clock),
        PortalWebhooks: PortalWebhooks(portal, given[Webhooks], given[DeliveryLog], given[Samples], on.outbox),
    }
