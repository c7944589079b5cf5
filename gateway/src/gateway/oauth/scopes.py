"""The scopes of the API and the roles that get them: the one table."""

from __future__ import annotations

#: Every scope with what it lets somebody do, as the consent page says it.
SCOPES: dict[str, str] = {
    "enrolment.organisations:read": "See organisations",
    "enrolment.organisations:write": "Register organisations",
    "enrolment.people:write": "Keep your name, e-mail address and language up to date",
    "enrolment.people:erase": "Erase a person’s data",
    "enrolment.calls:write": "Open and change calls",
    "enrolment.applications:read": "Read applications",
    "enrolment.applications:submit": "Apply in your name",
    "enrolment.applications:score": "Score applications in your name",
    "enrolment.selection:write": "Run the selection of a call",
    "enrolment.offers:answer": "Answer offers of a seat in your name",
    "enrolment.agreements:write": "Write learning agreements",
    "enrolment.agreements:approve": "Approve learning agreements in your name",
    "enrolment.learners:read": "See learners",
    "enrolment.learners:write": "Record withdrawals of learners",
    "curriculum.catalogue:read": "Pull the course catalogue",
    "curriculum.profiles:write": "Write occupational profiles",
    "curriculum.programmes:write": "Write and publish programmes",
    "curriculum.reviews:write": "Run review rounds",
    "curriculum.reviews:comment": "Comment and vote in reviews in your name",
    "curriculum.offerings:write": "Publish course offerings",
    "assessment.plans:write": "Write assessment plans",
    "assessment.evidence:submit": "Hand in your work",
    "assessment.marks:write": "Mark submitted work in your name",
    "assessment.credits:validate": "Validate credits in your name",
    "assessment.credits:recognise": "Recognise credits in your name",
    "assessment.transcripts:read": "See transcripts and results",
    "assessment.appeals:lodge": "Appeal against marks in your name",
    "assessment.appeals:decide": "Decide appeals in your name",
    "credentials.awards:read": "See badges",
    "credentials.awards:revoke": "Revoke and reissue badges",
    "outreach.directory:read": "See the cluster directory and its contacts",
    "outreach.directory:write": "Change the cluster directory",
    "outreach.consents:write": "Record consents of contacts",
    "outreach.campaigns:write": "Send campaigns",
    "outreach.touchpoints:write": "Record touchpoints with clusters",
    "outreach.touchpoints:confirm": "Confirm touchpoints in your name",
    "outreach.labels:write": "Record cluster labels",
    "outreach.indicators:read": "See outreach indicators",
    "operations:read": "See how the platform is running",
    "gateway.accounts:write": "Create accounts",
    "gateway.clients:write": "Register client systems",
}

#: Scopes that no person's role gives; only systems hold them.
MACHINE_SCOPES = frozenset({"gateway.accounts:write", "gateway.clients:write", "curriculum.catalogue:read"})

#: What every role may do.
_EVERYBODY = frozenset({"enrolment.organisations:read", "enrolment.people:write"})

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
    "operator": _EVERYBODY | {"operations:read"},
}


def scopes_of_roles(roles: frozenset[str]) -> frozenset[str]:
    """What a person with these roles may do; a role that is gone from the table gives nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))


def in_order(scopes: frozenset[str]) -> list[str]:
    """Scopes in the order of the table, so that the same set always reads the same."""
    return [scope for scope in SCOPES if scope in scopes]
