"""What every page of the portal carries: its tabs, a form token, and refusals as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from cme_kit.http import PreconditionFailed
from cme_kit.pages import Pages, gettext_noop
from cme_kit.problems import ServiceError
from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.accounts.browser import Browser, ForgedForm
from gateway.accounts.service import SignedIn
from gateway.clients.domain import Client
from gateway.portal.domain import DECIDERS, Kind, kind_of
from gateway.portal.service import Credentials, NothingForLive, TooManyApplications, new_once
from gateway.portal.snippets import api_of, first_call
from gateway.webhooks.delivery_log import ReplayIsRunning
from gateway.webhooks.samples import TooManyTests
from gateway.webhooks.service import TooManyKeys, TooManyWebhooks, WebhookIsDisabled

NO_STORE = {"Cache-Control": "no-store"}
#: Tabs of the portal, by the name that a page says it is.
TABS = {
    "applications": (gettext_noop("Applications"), "/portal"),
    "guides": (gettext_noop("Guides"), "/portal/guides"),
    "api": (gettext_noop("API reference"), "/docs"),
    "events": (gettext_noop("Event reference"), "/docs/events"),
}
REQUESTS = (gettext_noop("Requests for access"), "/portal/requests")
#: Tabs of an application, by the last part of their address.
APPLICATION_TABS = {
    "": gettext_noop("Settings"),
    "secrets": gettext_noop("Secrets"),
    "usage": gettext_noop("Usage"),
    "webhooks": gettext_noop("Webhooks"),
}
#: What a page says after a change, by the `done` in its address.
DONE = {
    "saved": gettext_noop("Your changes were saved."),
    "removed": gettext_noop("The application was removed. Its tokens have ended."),
    "secret-removed": gettext_noop("The secret was removed. Nobody can use it any more."),
    "approved": gettext_noop("The application was approved. It can get tokens now."),
    "refused": gettext_noop("The application was refused."),
    "webhook-removed": gettext_noop("The webhook was removed. Nothing is sent to it any more."),
    "webhook-disabled": gettext_noop("The webhook is disabled. What was pending was given up."),
    "webhook-active": gettext_noop("The webhook is active again."),
    "replay": gettext_noop("What was not delivered since then is being sent now."),
}
#: What a person is told when something cannot be done.
REFUSALS = {
    ForgedForm.code: gettext_noop(
        "This form is too old. Open the page again and repeat your change; nothing was changed."
    ),
    TooManyApplications.code: gettext_noop(
        "You have 20 applications, which is the most. Remove one that is not in use any more; nothing was changed."
    ),
    NothingForLive.code: gettext_noop(
        "Nothing of what this application may do is open to partners outside the sandbox. Choose other permissions first."
    ),
    PreconditionFailed.code: gettext_noop(
        "It was changed since you opened the page. Open the page again; nothing was changed."
    ),
    TooManyWebhooks.code: gettext_noop("This application has 20 webhooks, which is the most. Remove one first."),
    TooManyKeys.code: gettext_noop(
        "This webhook got two new keys within a day. Wait until an old one has ended; nothing was changed."
    ),
    TooManyTests.code: gettext_noop("At most 60 test events a minute. Wait a little, then try again."),
    WebhookIsDisabled.code: gettext_noop("This webhook is disabled. Make it active first; nothing was sent."),
    ReplayIsRunning.code: gettext_noop("Events are being sent again already. Wait until that is done."),
}
MISSING = gettext_noop("There is no such page, or it is not yours.")
FAILED = gettext_noop("This could not be done. Go back and try again; nothing was changed.")


class PortalPages:
    """Renders the portal's pages."""

    def __init__(self, pages: Pages, browser: Browser, base: str) -> None:
        self._pages = pages
        self._browser = browser
        #: The installation's public URL.
        self.base = base

    def render(
        self,
        request: Request,
        person: SignedIn | None,
        template: str,
        *,
        here: str = "applications",
        status: int = 200,
        errors: dict[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """A page; `errors` are texts by the id of their field."""
        tabs = dict(TABS)
        if person is not None and DECIDERS & person.account.roles:
            tabs["requests"] = REQUESTS
        return self._pages.render(
            request,
            f"portal/{template}.html",
            status=status,
            headers=NO_STORE,
            csrf_token=self._browser.form_token(request)[0] if person is not None else "",
            once=new_once(),
            account=person.account if person is not None else None,
            tabs=tabs,
            here=here,
            errors=errors or {},
            done=DONE.get(request.query_params.get("done", "")),
            base=self.base,
            **context,
        )

    def of_application(
        self,
        request: Request,
        person: SignedIn,
        client: Client,
        template: str,
        *,
        part: str,
        status: int = 200,
        errors: dict[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """A page of one application."""
        place = f"/portal/applications/{client.client_id}"
        parts = [(text, f"{place}/{name}" if name else place, name == part) for name, text in APPLICATION_TABS.items()]
        return self.render(
            request,
            person,
            template,
            status=status,
            errors=errors,
            client=client,
            kind=kind_of(client),
            api=api_of(self.base, client),
            place=place,
            parts=parts,
            **context,
        )

    def credentials(self, request: Request, person: SignedIn, made: Credentials, *, is_next: bool = False) -> Response:
        """The page that shows a secret: in the answer to the form that made it, which no cache keeps and no URL names."""
        client, secret = made.client, made.secret
        lines = first_call(self.base, client, secret) if secret and kind_of(client) is Kind.SYSTEM else None
        return self.render(request, person, "credentials", client=client, secret=secret, lines=lines, is_next=is_next)

    def refusal(self, request: Request, error: ServiceError) -> Response:
        """The page in place of a problem document."""
        text = MISSING if error.status == 404 else REFUSALS.get(error.code, FAILED)  # noqa: PLR2004
        return self._pages.render(
            request, "portal/refused.html", status=error.status, headers={**NO_STORE, **error.headers}, text=text
        )


class PortalRoute(APIRoute):
    """Answers a refusal with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler as the router calls it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            # Kept for what runs a form once, which compares it; the form is read from it.
            await request.body()
            try:
                return await handle(request)
            except ServiceError as error:
                pages: PortalPages = request.app.state.provided[PortalPages]
                return pages.refusal(request, error)

        return handled
