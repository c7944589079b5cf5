"""The scopes of the API and the roles that get them: the one table."""

from __future__ import annotations

from functools import lru_cache

from cme_kit.pages import gettext_noop

_OB = "https://purl.imsglobal.org/spec/ob/v3p0/scope/"
#: What an app of Open Badges 3.0 may ask for (OB 3.0 section 7.1).
OPEN_BADGES = frozenset(
    {f"{_OB}credential.readonly", f"{_OB}credential.upsert", f"{_OB}profile.readonly", f"{_OB}profile.update"}
)
#: Who the person is (OpenID Connect Core section 5.4).
IDENTITY = frozenset({"openid", "profile", "email"})

#: Every scope with what it lets somebody do, as the consent page says it.
SCOPES: dict[str, str] = {
    "openid": gettext_noop("Know that it is you"),
    "profile": gettext_noop("See your name and language"),
    "email": gettext_noop("See your e-mail address"),
    f"{_OB}credential.readonly": gettext_noop("Read your badges"),
    f"{_OB}credential.upsert": gettext_noop("Add badges to yours and change them"),
    f"{_OB}profile.readonly": gettext_noop("Read your badge profile"),
    f"{_OB}profile.update": gettext_noop("Change your badge profile"),
    "enrolment.organisations:read": gettext_noop("See organisations"),
    "enrolment.organisations:write": gettext_noop("Register organisations"),
    "enrolment.people:write": gettext_noop("Keep your name, e-mail address and language up to date"),
    "enrolment.people:erase": gettext_noop("Erase a person’s data"),
    "enrolment.calls:write": gettext_noop("Open and change calls"),
    "enrolment.applications:read": gettext_noop("Read applications"),
    "enrolment.applications:submit": gettext_noop("Apply in your name"),
    "enrolment.applications:score": gettext_noop("Score applications in your name"),
    "enrolment.selection:write": gettext_noop("Run the selection of a call"),
    "enrolment.offers:answer": gettext_noop("Answer offers of a seat in your name"),
    "enrolment.agreements:write": gettext_noop("Write learning agreements"),
    "enrolment.agreements:approve": gettext_noop("Approve learning agreements in your name"),
    "enrolment.learners:read": gettext_noop("See learners"),
    "enrolment.learners:write": gettext_noop("Record withdrawals of learners"),
    "curriculum.catalogue:read": gettext_noop("Pull the course catalogue"),
    "curriculum.profiles:write": gettext_noop("Write occupational profiles"),
    "curriculum.programmes:write": gettext_noop("Write and publish programmes"),
    "curriculum.reviews:write": gettext_noop("Run review rounds"),
    "curriculum.reviews:comment": gettext_noop("Comment and vote in reviews in your name"),
    "curriculum.offerings:write": gettext_noop("Publish course offerings"),
    "assessment.plans:write": gettext_noop("Write assessment plans"),
    "assessment.evidence:submit": gettext_noop("Hand in your work"),
    "assessment.marks:write": gettext_noop("Mark submitted work in your name"),
    "assessment.credits:validate": gettext_noop("Validate credits in your name"),
    "assessment.credits:recognise": gettext_noop("Recognise credits in your name"),
    "assessment.transcripts:read": gettext_noop("See transcripts and results"),
    "assessment.appeals:lodge": gettext_noop("Appeal against marks in your name"),
    "assessment.appeals:decide": gettext_noop("Decide appeals in your name"),
    "credentials.awards:read": gettext_noop("See badges"),
    "credentials.awards:revoke": gettext_noop("Revoke and reissue badges"),
    "outreach.directory:read": gettext_noop("See the cluster directory and its contacts"),
    "outreach.directory:write": gettext_noop("Change the cluster directory"),
    "outreach.consents:write": gettext_noop("Record consents of contacts"),
    "outreach.campaigns:write": gettext_noop("Send campaigns"),
    "outreach.touchpoints:write": gettext_noop("Record touchpoints with clusters"),
    "outreach.touchpoints:confirm": gettext_noop("Confirm touchpoints in your name"),
    "outreach.labels:write": gettext_noop("Record cluster labels"),
    "outreach.indicators:read": gettext_noop("See outreach indicators"),
    "operations:read": gettext_noop("See how the platform is running"),
    "operations:write": gettext_noop("Repair the platform: redrive or discard dead letters, rebuild streams"),
    "gateway.accounts:write": gettext_noop("Create accounts"),
    "gateway.clients:write": gettext_noop("Register client systems"),
    "gateway.webhooks:write": gettext_noop("Manage its webhooks and read their deliveries"),
    "gateway.keys:write": gettext_noop("Change the keys that sign tokens"),
    "gateway.tokens:introspect": gettext_noop("Ask what a token of this API allows"),
    "gateway.audit:read": gettext_noop("Read the record of security-relevant acts"),
}

#: Scopes that no person's role gives; only systems hold them.
MACHINE_SCOPES = frozenset(
    {
        *("gateway.accounts:write", "gateway.clients:write", "gateway.keys:write", "gateway.tokens:introspect"),
        *("gateway.webhooks:write", "curriculum.catalogue:read"),
    }
)

#: What every role may do.
_EVERYBODY = OPEN_BADGES | frozenset({"enrolment.organisations:read", "enrolment.people:write"})

ROLES: dict[str, frozenset[str]] = {
    "coordinator": _EVERYBODY
    | {
        *("enrolment.organisations:write", "enrolment.calls:write", "enrolment.applications:read"),
        *("enrolment.selection:write", "enrolment.agreements:write", "enrolment.learners:read"),
        *("enrolment.learners:write", "enrolment.people:erase"),
        *("curriculum.profiles:write", "curriculum.programmes:write", "curriculum.reviews:write"),
        *("curriculum.offerings:write", "assessment.plans:write", "assessment.transcripts:read"),
        *("assessment.appeals:decide", "credentials.awards:read", "credentials.awards:revoke"),
        *("outreach.indicators:read", "operations:read"),
    },
    "applicant": _EVERYBODY
    | {
        *("enrolment.applications:submit", "enrolment.offers:answer", "enrolment.agreements:approve"),
        *("assessment.evidence:submit", "assessment.appeals:lodge", "assessment.transcripts:read"),
        "credentials.awards:read",
    },
    "reader": _EVERYBODY | {"enrolment.applications:read", "enrolment.applications:score"},
    "expert": _EVERYBODY | {"curriculum.reviews:comment"},
    "signatory": _EVERYBODY | {"enrolment.agreements:approve"},
    "assessor": _EVERYBODY | {"assessment.marks:write", "assessment.transcripts:read"},
    "validator": _EVERYBODY | {"assessment.credits:validate", "assessment.transcripts:read"},
    "recogniser": _EVERYBODY
    | {"assessment.credits:recognise", "assessment.transcripts:read", "assessment.appeals:decide"},
    "officer": _EVERYBODY
    | {
        *("outreach.directory:write", "outreach.directory:read", "outreach.consents:write"),
        *("outreach.campaigns:write", "outreach.touchpoints:write", "outreach.touchpoints:confirm"),
        *("outreach.labels:write", "outreach.indicators:read"),
    },
    "operator": _EVERYBODY | {"operations:read", "operations:write", "gateway.audit:read"},
    #: A partner's developer: works in the portal, which needs no token.
    "developer": _EVERYBODY,
}


def scopes_of_roles(roles: frozenset[str]) -> frozenset[str]:
    """What a person with these roles may allow; a role that is gone from the table gives nothing."""
    return IDENTITY.union(*(ROLES.get(role, frozenset()) for role in roles))


def in_order(scopes: frozenset[str]) -> list[str]:
    """Scopes in the order of the table, so that the same set always reads the same."""
    return list(_in_order(scopes))


@lru_cache(maxsize=4096)
def _in_order(scopes: frozenset[str]) -> tuple[str, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)
