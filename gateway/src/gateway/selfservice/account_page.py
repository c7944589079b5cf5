"""The account page: everything that a person can see and change about the own account."""

from __future__ import annotations

from cme_kit.clock import Clock
from cme_kit.pages import Pages, gettext_noop
from fastapi import Request, Response

from gateway.accounts.browser import Browser
from gateway.accounts.service import SignedIn
from gateway.accounts.sessions import Sessions
from gateway.oauth.consents import Consents
from gateway.oauth.scopes import SCOPES
from gateway.passkeys.service import Passkeys
from gateway.upstream.service import Upstreams

#: What the page says after a change, by the `done` in its address.
DONE = {
    "profile": gettext_noop("Your name and language were saved."),
    "password": gettext_noop("Your password was changed. You were signed out everywhere else."),
    "session": gettext_noop("That browser was signed out."),
    "sessions": gettext_noop("You were signed out everywhere else."),
    "passkey-added": gettext_noop("Your passkey was added. You can sign in with it from now on."),
    "passkey-named": gettext_noop("The passkey’s name was saved."),
    "passkey-removed": gettext_noop("The passkey was removed. Nobody can sign in with it any more."),
    "linked": gettext_noop("The two are linked. You can sign in there from now on."),
    "unlinked": gettext_noop("The link was ended. Nobody signs in to your account there any more."),
    "consent": gettext_noop("The application’s access was withdrawn. It ends now."),
}


class AccountPage:
    """Renders the page with all its parts."""

    def __init__(
        self,
        pages: Pages,
        browser: Browser,
        sessions: Sessions,
        passkeys: Passkeys,
        upstreams: Upstreams,
        consents: Consents,
        clock: Clock,
    ) -> None:
        self._pages = pages
        self._browser = browser
        self._sessions = sessions
        self._passkeys = passkeys
        self._upstreams = upstreams
        self._consents = consents
        self._clock = clock

    def is_recent(self, person: SignedIn) -> bool:
        """Whether somebody signed in so recently that they may change how they sign in."""
        return person.session.is_recent(self._clock.now())

    async def render(
        self,
        request: Request,
        person: SignedIn,
        *,
        errors: dict[str, str] | None = None,
        typed: dict[str, str] | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """The page; `errors` are texts by the id of their field, `typed` what stays in the fields."""
        account = person.account
        token, _ = self._browser.form_token(request)
        return self._pages.render(
            request,
            "account.html",
            status=status,
            headers={"Cache-Control": "no-store", **(headers or {})},
            csrf_token=token,
            account=account,
            errors=errors or {},
            typed={"display_name": account.display_name, "language": account.language, **(typed or {})},
            done=DONE.get(request.query_params.get("done", "")),
            here=person.session,
            is_recent=self.is_recent(person),
            passkeys=await self._passkeys.of(account.subject),
            can_add_passkeys=self._passkeys.are_possible,
            sessions=await self._sessions.of(account.subject),
            consents=await self._consents.of(account.subject),
            permissions=SCOPES,
            providers=self._upstreams.issuer_names,
            linkable=self._upstreams.names,
            links=await self._upstreams.of(account.subject),
        )
