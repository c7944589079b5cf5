"""What a partner's application may ask for, in the sandbox and outside it, and why: the one table.

In the sandbox everything is made up, so each permission can be tried there. Outside it, an application that calls by
itself sees what its scopes open in the services; who may have them follows from whether the services narrow that to the
partner's own organisation. An application for people has no more than the person who allows it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cme_kit.pages import gettext_noop

from gateway.accounts.domain import Account
from gateway.oauth.scopes import IDENTITY, OPEN_BADGES, in_order
from gateway.portal.domain import Kind


class Journey(StrEnum):
    """What somebody wants to do, by which permissions are chosen."""

    CALL = "call"
    EVENTS = "events"
    CATALOGUE = "catalogue"
    IDENTITY = "identity"
    BADGES = "badges"
    LEARNING = "learning"


JOURNEYS: dict[Journey, str] = {
    Journey.CALL: gettext_noop("Call the API"),
    Journey.EVENTS: gettext_noop("Receive events"),
    Journey.CATALOGUE: gettext_noop("Pull the course catalogue"),
    Journey.IDENTITY: gettext_noop("Know who signs in"),
    Journey.BADGES: gettext_noop("Show and keep badges"),
    Journey.LEARNING: gettext_noop("Apply and learn"),
}


class Live(StrEnum):
    """Who may have a permission outside the sandbox, once the programme office has approved the application."""

    PARTNERS = "partners"
    #: Only who acts for an organisation, to which the services narrow what they show.
    ORGANISATIONS = "organisations"
    #: Nobody: it would show the records of all organisations.
    NOBODY = "nobody"


@dataclass(frozen=True)
class Permission:
    """A scope that may be asked for."""

    scope: str
    journey: Journey
    live: Live


# Systems. The services show a system the applications, learners and badges of every organisation, and the directory has
# people's addresses: such scopes are for the programme's own systems, which are registered by the API.
_SYSTEM = (
    # Names and countries of organisations; no person.
    Permission("enrolment.organisations:read", Journey.CALL, Live.PARTNERS),
    # Sums, and clusters by name; no person.
    Permission("outreach.indicators:read", Journey.CALL, Live.PARTNERS),
    # Narrowed to learners in whose units the organisation has a duty; without an organisation it would show all.
    Permission("assessment.transcripts:read", Journey.CALL, Live.ORGANISATIONS),
    Permission("enrolment.applications:read", Journey.CALL, Live.NOBODY),
    Permission("enrolment.learners:read", Journey.CALL, Live.NOBODY),
    Permission("credentials.awards:read", Journey.CALL, Live.NOBODY),
    Permission("outreach.directory:read", Journey.CALL, Live.NOBODY),
    # Its own webhooks only.
    Permission("gateway.webhooks:write", Journey.EVENTS, Live.PARTNERS),
    # What everybody may read; with a token it is counted as the partner's.
    Permission("curriculum.catalogue:read", Journey.CATALOGUE, Live.PARTNERS),
)
# Applications for people: what a learner may allow. What staff decides, staff does in our own pages.
_PEOPLE = (
    *(Permission(scope, Journey.IDENTITY, Live.PARTNERS) for scope in in_order(IDENTITY)),
    *(Permission(scope, Journey.BADGES, Live.PARTNERS) for scope in in_order(OPEN_BADGES)),
    Permission("credentials.awards:read", Journey.BADGES, Live.PARTNERS),
    *(
        Permission(scope, Journey.LEARNING, Live.PARTNERS)
        for scope in (
            "enrolment.organisations:read",
            "enrolment.people:write",
            "enrolment.applications:submit",
            "enrolment.offers:answer",
            "assessment.transcripts:read",
        )
    ),
)


def permissions_for(kind: Kind) -> tuple[Permission, ...]:
    """What an application of this kind may ask for in the sandbox."""
    return _PEOPLE if kind.is_for_people else _SYSTEM


def scopes_for(kind: Kind) -> frozenset[str]:
    """The scopes of those permissions."""
    return frozenset(permission.scope for permission in permissions_for(kind))


def may_be_live(permission: Permission, account: Account) -> bool:
    """Whether a person's application may ask for this outside the sandbox."""
    if permission.live is Live.ORGANISATIONS:
        return account.organisation_id is not None
    return permission.live is Live.PARTNERS


def live_scopes(kind: Kind, scopes: frozenset[str], account: Account) -> frozenset[str]:
    """Which of these scopes a person's application may have outside the sandbox."""
    allowed = {permission.scope for permission in permissions_for(kind) if may_be_live(permission, account)}
    return scopes & allowed
