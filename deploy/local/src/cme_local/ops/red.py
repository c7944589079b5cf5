"""Rate, errors and duration of each operation, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cme_local.ops.flows import Operation
from cme_local.ops.series import Series

#: Rows of one table; the rest is one filter away.
MOST_ROWS = 200
#: The least share that is not worded as less than it.
SMALLEST_PERCENT = 0.1


class Side(StrEnum):
    """Which side of the work an operation is, as the tabs of the page divide them."""

    REQUESTS = "requests"
    APPLIED = "applied"
    PUBLISHED = "published"
    INSIDE = "inside"


class Sorting(StrEnum):
    """What stands first."""

    COUNT = "count"
    ERRORS = "errors"
    SLOWEST = "slowest"


_SIDES = {
    Span.SPAN_KIND_SERVER: Side.REQUESTS,
    Span.SPAN_KIND_CONSUMER: Side.APPLIED,
    Span.SPAN_KIND_PRODUCER: Side.PUBLISHED,
}


@dataclass(frozen=True)
class Row:
    """One operation of one service; durations in nanoseconds."""

    service: str
    name: str
    count: int
    errors: int
    rate: str
    error_share: str
    p50: int
    p95: int
    p99: int
    #: Since when its traces are listed, as the list takes it; empty for all that are kept.
    since: str

    @property
    def traces(self) -> str:
        """Where the traces with it are listed."""
        named = {"service": self.service, "operation": self.name}
        return "/traces?" + urlencode(named | ({"since": self.since} if self.since else {}))

    @property
    def failed_traces(self) -> str:
        """Where the traces in which it failed are listed."""
        return f"{self.traces}&errors=1"


def side_of(operation: Operation) -> Side:
    """The tab that an operation stands on."""
    return _SIDES.get(operation.kind, Side.INSIDE)  # type: ignore[call-overload, no-any-return]


def rate(count: int, seconds: float) -> str:
    """How often, in the unit that gives a readable number."""
    per_second = count / seconds
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{per_second * 60:.1f}/min"


def percent(share: float) -> str:
    """A share in words; a small one is never worded as none."""
    if not share:
        return "0 %"
    return "under 0.1 %" if share * 100 < SMALLEST_PERCENT else f"{share * 100:.1f} %"


def rows(
    operations: Mapping[Operation, Series],
    seconds: float,
    side: Side,
    service: str = "",
    sorting: Sorting = Sorting.COUNT,
    since: str = "",
) -> list[Row]:
    """The operations of one side, and of one service when given."""
    chosen = [
        _row(operation, series, seconds, since)
        for operation, series in operations.items()
        if side_of(operation) is side and service in ("", operation.service)
    ]
    match sorting:
        case Sorting.ERRORS:
            chosen.sort(key=lambda row: (-row.errors / row.count, -row.errors, row.service, row.name))
        case Sorting.SLOWEST:
            chosen.sort(key=lambda row: (-row.p95, row.service, row.name))
        case Sorting.COUNT:
            chosen.sort(key=lambda row: (-row.count, row.service, row.name))
    return chosen


def _row(operation: Operation, series: Series, seconds: float, since: str) -> Row:
    return Row(
        service=operation.service,
        name=operation.name,
        count=series.count,
        errors=series.errors,
        rate=rate(series.count, seconds),
        error_share=percent(series.error_share),
        p50=series.percentile(0.5),
        p95=series.percentile(0.95),
        p99=series.percentile(0.99),
        since=since,
    )
