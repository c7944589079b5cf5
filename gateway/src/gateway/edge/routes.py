"""Where each path goes, who may come without a token, how large a body may be: the one table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cme_kit.metrics import NO_ROUTE

KIB = 1024
MIB = 1024 * KIB
#: Bodies that are not uploads.
BODY_LIMIT = MIB
#: Evidence of learners and cluster lists: 5 MiB of content and room to spare.
UPLOAD_LIMIT = 6 * MIB
READ = frozenset({"GET", "HEAD", "OPTIONS"})
FORM = READ | {"POST"}


@dataclass(frozen=True)
class Public:
    """Paths that answer without a token, for some methods."""

    pattern: re.Pattern[str]
    methods: frozenset[str] = READ


@dataclass(frozen=True)
class Route:
    """What belongs to one service."""

    service: str
    public: tuple[Public, ...] = ()
    #: Bodies that are streamed and may be large.
    uploads: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def is_public(self, method: str, path: str) -> bool:
        """Whether a request may come without a token; the service itself decides again."""
        return any(method in rule.methods and rule.pattern.fullmatch(path) for rule in self.public)

    def is_upload(self, method: str, path: str) -> bool:
        """Whether the body is a file."""
        return any(method == known and pattern.fullmatch(path) for known, pattern in self.uploads)


def _public(pattern: str, methods: frozenset[str] = READ) -> Public:
    return Public(re.compile(pattern), methods)


_ENROLMENT = Route("enrolment", (_public(r"/enrolment/v1/calls(/[^/]+)?"),))
_CURRICULUM = Route(
    "curriculum",
    (_public(r"/courses(/.*)?"), _public(r"/curriculum/v1/(catalogue/.+|(profiles|offerings)(/[^/]+)?|skills)")),
)
_ASSESSMENT = Route("assessment", uploads=(("PUT", re.compile(r"/assessment/v1/submissions/[^/]+/content")),))
_CREDENTIALS = Route(
    "credentials",
    (
        _public(r"/badges/.+|/\.well-known/did\.json"),
        _public(r"/verify", FORM),
        _public(r"/credentials/v1/(achievements|status)/[^/]+"),
        _public(r"/credentials/v1/achievements/[^/]+/image\.svg"),
        _public(r"/credentials/v1/verification", FORM),
    ),
)
_OUTREACH = Route(
    "outreach",
    (_public(r"/outreach/(unsubscribe|interest)/[^/]+", FORM),),
    (("POST", re.compile(r"/outreach/v1/(touchpoints/import|imports)")),),
)

#: By the first segment of the path.
ROUTES: dict[str, Route] = {
    "enrolment": _ENROLMENT,
    "curriculum": _CURRICULUM,
    "courses": _CURRICULUM,
    "assessment": _ASSESSMENT,
    "credentials": _CREDENTIALS,
    "badges": _CREDENTIALS,
    "verify": _CREDENTIALS,
    "outreach": _OUTREACH,
}
_WHOLE_PATHS = {"/.well-known/did.json": _CREDENTIALS}

#: First segments that the gateway answers itself.
OWN = frozenset(
    {
        *("", "oauth", "login", "logout", "consent", ".well-known", "gateway", "openapi.json", "docs", "health"),
        *("metrics", "assets", "account", "signup", "password"),
    }
)


def first_segment(path: str) -> str:
    """`enrolment` of `/enrolment/v1/calls`."""
    return path[1:].partition("/")[0]


def route_of(path: str) -> Route | None:
    """Where a path goes; None when no service has it."""
    return _WHOLE_PATHS.get(path) or ROUTES.get(first_segment(path))


def template_of(path: str) -> str:
    """The row of the table that a path falls under, for counting: a path itself holds ids."""
    if path in _WHOLE_PATHS:
        return path
    segment = first_segment(path)
    return f"/{segment}/{{path}}" if segment in ROUTES else NO_ROUTE
