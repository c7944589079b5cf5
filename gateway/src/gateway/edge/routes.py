"""Where each path goes, who may come without a token, what bounds it: `routes.toml`, read and checked once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, ValidationError, model_validator

from gateway.edge.allowances import Limit, Limits

PACKAGED = Path(__file__).with_name("routes.toml")
KIB = 1024
MIB = 1024 * KIB
#: Bodies that are not uploads.
BODY_LIMIT = MIB
#: Evidence of learners and cluster lists: 5 MiB of content and room to spare.
UPLOAD_LIMIT = 6 * MIB
#: Below this prefix the same routes lead to the services of the sandbox.
SANDBOX = "/sandbox"

#: First segments that the gateway answers itself.
OWN = frozenset(
    {
        *("", "oauth", "login", "logout", "consent", ".well-known", "gateway", "openapi.json", "docs", "health"),
        *("metrics", "assets", "account", "signup", "password", "portal", "asyncapi.json"),
    }
)
_PARAMETER = re.compile(r"\{[a-z_]+(\.\.\.)?\}")
Operation = Annotated[str, StringConstraints(pattern=r"^(GET|POST|PUT|PATCH|DELETE) /[A-Za-z0-9_.{}/-]*$")]
Prefix = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_.-]+)+$")]
Headers = list[tuple[bytes, bytes]]


class RoutesError(ValueError):
    """A table of routes that cannot be used; the message says what to change."""


class _Row(BaseModel):
    """`[[route]]` as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: Prefix
    service: str
    group: str = ""
    public: tuple[Operation, ...] = ()
    uploads: tuple[Operation, ...] = ()
    cache: bool = False
    secret: bool = False
    deprecated: datetime | None = None
    sunset: datetime | None = None
    deprecation_link: HttpUrl | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if any(not operation.partition(" ")[2].startswith(self.prefix) for operation in (*self.public, *self.uploads)):
            raise ValueError("every path of a route begins with its prefix")
        if any(moment is not None and moment.tzinfo is None for moment in (self.deprecated, self.sunset)):
            raise ValueError("times have an offset: 2027-01-31T00:00:00Z")
        if (self.sunset or self.deprecation_link) and not self.deprecated:
            raise ValueError("sunset and deprecation_link go with deprecated")
        if self.deprecated and self.sunset and self.sunset < self.deprecated:
            raise ValueError("a sunset is not before the deprecation (RFC 9745 section 4)")
        return self


class _Table(BaseModel):
    """The whole file as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    route: tuple[_Row, ...] = Field(min_length=1)
    limit: tuple[Limit, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Route:
    """What belongs to one service and is bounded together."""

    prefix: str
    service: str
    group: str
    #: What stands for its paths where they are counted: a path itself holds ids.
    template: str
    cache: bool = False
    secret: bool = False
    #: What every answer says about the end of the route.
    notices: Headers = field(default_factory=list)
    public: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    uploads: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def is_public(self, method: str, path: str) -> bool:
        """Whether a request may come without a token; the service itself decides again."""
        pattern = self.public.get(method)
        return pattern is not None and pattern.fullmatch(path) is not None

    def is_upload(self, method: str, path: str) -> bool:
        """Whether the body is a file."""
        pattern = self.uploads.get(method)
        return pattern is not None and pattern.fullmatch(path) is not None


class Routes:
    """The table. Finding a route takes as many looks as its longest prefix has segments, however many routes it has."""

    def __init__(self, routes: Iterable[Route], limits: Limits) -> None:
        self.limits = limits
        self._by_prefix: dict[str, Route] = {}
        for route in routes:
            if route.prefix in self._by_prefix:
                raise RoutesError(f"{route.prefix} is there twice")
            self._by_prefix[route.prefix] = route
        self._segments = max(prefix.count("/") for prefix in self._by_prefix)

    @classmethod
    def load(cls, path: Path = PACKAGED, replaced: Mapping[str, int | None] | None = None) -> Routes:
        """Read a table. `replaced` are numbers of the limit for everybody. Raises RoutesError."""
        try:
            table = _Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
            return cls(map(_route, table.route), Limits(table.limit, replaced or {}))
        except (OSError, tomllib.TOMLDecodeError, ValidationError, ValueError) as error:
            raise RoutesError(f"{path}: {error}") from error

    def of(self, path: str) -> Route | None:
        """Where a path goes, by the longest prefix of whole segments; None when no service has it."""
        found: Route | None = None
        end = 0
        for _ in range(self._segments):
            end = path.find("/", end + 1)
            found = self._by_prefix.get(path if end < 0 else path[:end], found)
            if end < 0:
                break
        return found


def first_segment(path: str) -> str:
    """`enrolment` of `/enrolment/v1/calls`."""
    return path[1:].partition("/")[0]


def _route(row: _Row) -> Route:
    paths = {operation.partition(" ")[2] for operation in row.public}
    return Route(
        prefix=row.prefix,
        service=row.service,
        group=row.group or row.service,
        template=row.prefix if paths == {row.prefix} else f"{row.prefix}/{{path}}",
        cache=row.cache,
        secret=row.secret,
        notices=_notices(row),
        public=_patterns(row.public, {"GET": ("HEAD", "OPTIONS")}),
        uploads=_patterns(row.uploads, {}),
    )


def _patterns(operations: Iterable[str], included: Mapping[str, tuple[str, ...]]) -> dict[str, re.Pattern[str]]:
    paths: dict[str, list[str]] = {}
    for operation in operations:
        method, _, path = operation.partition(" ")
        for each in (method, *included.get(method, ())):
            paths.setdefault(each, []).append(_expression(path))
    return {method: re.compile("|".join(expressions)) for method, expressions in paths.items()}


def _expression(template: str) -> str:
    """`[^/]+` for `{name}`, everything for `{name...}`."""
    expression, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        expression += re.escape(template[end : parameter.start()]) + (".+" if parameter[1] else "[^/]+")
        end = parameter.end()
    rest = template[end:]
    if "{" in expression or "{" in rest or "}" in rest:
        raise RoutesError(f"{template}: a parameter is {{name}} or {{name...}}")
    return expression + re.escape(rest)


def _notices(row: _Row) -> Headers:
    notices: list[tuple[bytes, str]] = []
    if row.deprecated:
        notices.append((b"deprecation", f"@{int(row.deprecated.timestamp())}"))
    if row.sunset:
        notices.append((b"sunset", format_datetime(row.sunset.astimezone(UTC), usegmt=True)))
    if row.deprecation_link:
        notices.append((b"link", f'<{row.deprecation_link}>; rel="deprecation"; type="text/html"'))
    return [(name, value.encode()) for name, value in notices]
