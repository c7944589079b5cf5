"""The service map: which edges there are, and where each node and line lies. Columns in percent, rows in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cme_local.ops.flows import BROKER, DATABASE, Edge, Operation, Via
from cme_local.ops.series import Series, merged

CALLERS = "callers"
#: Left edge and width of the columns, in percent of the drawing.
_COLUMNS = {"callers": 0.1, "callers' side": 20.5, "services": 50.0, "engines": 70.5, "appliers": 86.8}
NODE_WIDTH, RAIL_WIDTH = 13.0, 7.0
ROW, NODE_HEIGHT, TOP = 74, 46, 34
THINNEST, THICKEST = 1.25, 6.0


@dataclass(frozen=True)
class Flow:
    """An edge with its figures: calls and transactions by their duration, events from publish to applied."""

    via: Via
    source: str
    target: str
    what: str
    series: Series


@dataclass(frozen=True)
class Node:
    """A box: its name, what it did, and where it lies."""

    name: str
    left: float
    width: float
    top: int
    height: int
    series: Series
    engine: bool = False

    @property
    def middle(self) -> float:
        """The height at which lines meet it."""
        return self.top + self.height / 2


@dataclass(frozen=True)
class Line:
    """A straight part of a flow's way."""

    flow: Flow
    x1: float
    y1: float
    x2: float
    y2: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """All that is drawn, and how high that is."""

    nodes: list[Node]
    lines: list[Line]
    height: int


def flows(operations: Mapping[Operation, Series], edges: Mapping[Edge, Series]) -> list[Flow]:
    """Every edge by its pair, what came from outside first; subjects of one pair are one flow."""
    requests: dict[str, list[Series]] = {}
    for operation, series in operations.items():
        if operation.kind == Span.SPAN_KIND_SERVER:
            requests.setdefault(operation.service, []).append(series)
    found = []
    for service, parts in sorted(requests.items()):
        called = merged(s for e, s in edges.items() if e.via is Via.CALL and e.target == service)
        # What no service of ours asked for came from outside, whatever trace the caller named.
        if (outside := merged(parts).without(called)).count > 0:
            found.append(Flow(Via.CALL, CALLERS, service, "", outside))
    pairs = sorted(edges.items(), key=lambda item: item[0][:3])
    for (via, source, target), group in groupby(pairs, key=lambda item: item[0][:3]):
        found.append(Flow(via, source, target, "", merged(series for _, series in group)))
    return found


def by_subject(edges: Mapping[Edge, Series]) -> list[Flow]:
    """Every subject from its publisher to each who applies it, the most frequent first."""
    events = [Flow(e.via, e.source, e.target, e.what, s) for e, s in edges.items() if e.via is Via.EVENT]
    return sorted(events, key=lambda flow: (-flow.series.count, flow.what, flow.target))


def draw(found: list[Flow]) -> Drawing:
    """Callers, who they ask, the services, the engines between them, and the services again as those who apply."""
    calls = [flow for flow in found if flow.via is Via.CALL]
    asking = {flow.source for flow in calls} - {CALLERS}
    services = sorted(
        {end for flow in found for end in (flow.source, flow.target)} - asking - {CALLERS, BROKER, DATABASE}
    )
    rows = max(len(services), 1)
    bottom = TOP + ROW * rows
    nodes: dict[tuple[str, str], Node] = {}

    def place(column: str, name: str, row: float, parts: list[Series], height: int = NODE_HEIGHT) -> None:
        top = round(TOP + row * ROW)
        rail = column == "engines"
        width = RAIL_WIDTH if rail else NODE_WIDTH
        nodes[column, name] = Node(name, _COLUMNS[column], width, top, height, merged(parts), rail)

    def into(name: str, *vias: Via) -> list[Series]:
        return [flow.series for flow in found if flow.target == name and flow.via in vias]

    if any(flow.source == CALLERS for flow in calls):
        place("callers", CALLERS, (rows - 1) / 2, [f.series for f in calls if f.source == CALLERS])
    for number, name in enumerate(sorted(asking)):
        place("callers' side", name, (rows - 1) / 2 + number, into(name, Via.CALL))
    for row, name in enumerate(services):
        place("services", name, row, into(name, Via.CALL))
        if applied := into(name, Via.EVENT):
            place("appliers", name, row, applied)
    if published := into(BROKER, Via.PUBLISH):
        place("engines", BROKER, 0, published, ROW * (rows - 1) + NODE_HEIGHT)
    if transactions := into(DATABASE, Via.TRANSACTION):
        place("engines", DATABASE, rows, transactions)
        bottom += ROW
    most = max((flow.series.count for flow in found), default=1)
    lines = [line for flow in found for line in _lines(flow, nodes, most)]
    return Drawing(list(nodes.values()), lines, bottom)


def _lines(flow: Flow, nodes: Mapping[tuple[str, str], Node], most: int) -> list[Line]:
    if flow.via is Via.PUBLISH:
        return []  # the lines to those who apply run through the broker and say it already
    target = {Via.EVENT: "appliers", Via.TRANSACTION: "engines"}.get(flow.via)
    column = next((c for c in _COLUMNS if c != "appliers" and (c, flow.source) in nodes), None)
    ends = [target] if target else ["callers' side", "services"]
    end = next((nodes[c, flow.target] for c in ends if (c, flow.target) in nodes), None)
    if column is None or end is None:
        return []
    start = nodes[column, flow.source]
    width = round(THINNEST + (THICKEST - THINNEST) * flow.series.count / most, 2)
    if flow.via is Via.TRANSACTION and column != "services":
        # Round the services, which stand between.
        x = start.left + start.width / 2
        return [
            Line(flow, x, start.top + start.height, x, end.middle, width),
            Line(flow, x, end.middle, end.left, end.middle, width),
        ]
    return [Line(flow, start.left + start.width, start.middle, end.left, end.middle, width)]
