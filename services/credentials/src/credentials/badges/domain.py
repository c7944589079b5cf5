"""The drawn badge: the year ring. A tick is one ECVET point, a sector one module; a module lights its own.

Numerals are drawn, not set, so a small badge needs no font. Below 160 px the file simplifies itself by a media query:
ticks become arcs, lettering goes, the numeral grows.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from html import escape

from credentials.jsonld.domain import Json

#: Ground and light of the programme (0) and of each module.
COLOURS = {
    0: ("#13212a", "#f1c27a"),
    1: ("#0b5468", "#9fdbe8"),
    2: ("#2b5a3b", "#a9dcb6"),
    3: ("#38497f", "#b9c6f5"),
    4: ("#7d450b", "#f3c488"),
}
#: Strokes in a box of 100 x 130, centred on the origin.
NUMERALS = {
    1: "M-24 -38 L6 -62 V62 M-26 62 H36",
    2: "M-37 -26 A37 37 0 1 1 27 -2 L-38 62 H40",
    3: "M-35 -40 A33 31 0 1 1 -4 -3 A36 33 0 1 1 -39 37",
    4: "M18 62 V-60 L-42 26 H44",
}
#: The programme: four partners around the one who connects them.
PARTNERS = ((0, -58), (58, 0), (0, 58), (-58, 0))
ONE_LINE = 17
FIRST_MONTH = 8
TEXT = "#ffffff"
NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"


@dataclass(frozen=True)
class Badge:
    """What a badge shows."""

    #: 1 to `modules`, or 0 for the whole programme.
    module: int
    #: Wrapped to two lines, fitted to the width.
    title: str
    #: The line under the title, such as 2026-27.
    year: str
    #: Along the upper inner edge.
    programme: str = "Cluster Manager Education"
    modules: int = 4
    #: ECVET points of the whole programme: the number of ticks.
    points: int = 20


def training_year(day: date) -> str:
    """The training year of a day, such as 2026–27; it begins in August."""
    first = day.year if day.month >= FIRST_MONTH else day.year - 1
    return f"{first}–{(first + 1) % 100:02}"


def _at(radius: float, degrees: float) -> str:
    turn = math.radians(degrees - 90)
    return f"{300 + radius * math.cos(turn):.1f} {300 + radius * math.sin(turn):.1f}"


def _arc(radius: float, start: float, end: float) -> str:
    return f"M{_at(radius, start)} A{radius} {radius} 0 {int(end - start > 180)} 1 {_at(radius, end)}"  # noqa: PLR2004


def _lines(title: str) -> list[str]:
    words = title.split()
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    if len(title) <= ONE_LINE or not cuts:
        return [title]
    return list(min(cuts, key=lambda pair: max(map(len, pair))))


def _fitted(text: str, y: float, size: float, width: float, css: str) -> str:
    guess = len(text) * size * 0.56
    fit = f' textLength="{width:.0f}" lengthAdjust="spacingAndGlyphs"' if guess > width else ""
    return f'<text class="{css}" x="300" y="{y:.0f}" font-size="{size}"{fit}>{escape(text)}</text>'


def _ring(badge: Badge) -> tuple[str, str]:
    """The ticks of the large badge and the arcs of the small one."""
    per_module, step, span = badge.points / badge.modules, 360 / badge.points, 360 / badge.modules

    def lit(module: int) -> str:
        return "on" if badge.module in (0, module) else "off"

    ticks = [
        f'<path class="{lit(int(i // per_module) + 1)}" d="M{_at(246, (i + 0.5) * step)} L{_at(280, (i + 0.5) * step)}"/>'
        for i in range(badge.points)
    ]
    arcs = [
        f'<path class="{lit(module)}" d="{_arc(258, (module - 1) * span + 6, module * span - 6)}"/>'
        for module in range(1, badge.modules + 1)
    ]
    return "".join(ticks), "".join(arcs)


def _sign(module: int) -> str:
    if module:
        return f'<path class="num" d="{NUMERALS.get(module, NUMERALS[1])}"/>'
    spokes = "".join(f'<path class="spoke" d="M0 0 L{x} {y}"/>' for x, y in PARTNERS)
    nodes = "".join(f'<circle class="node" cx="{x}" cy="{y}" r="17"/>' for x, y in PARTNERS)
    return f'{spokes}{nodes}<circle class="hub" r="27"/>'


def _style(light: str) -> str:
    return f"""
text{{font-family:"Segoe UI",Roboto,"Noto Sans","Liberation Sans","Helvetica Neue",Arial,sans-serif;fill:{TEXT};text-anchor:middle}}
.t{{font-weight:700}} .c{{fill:{light};font-weight:700;letter-spacing:5px}} .y{{fill:{light};font-weight:700;letter-spacing:4px}}
path{{fill:none}} .tick path{{stroke-width:15}} .arc{{display:none}} .arc path{{stroke-width:44}}
.on{{stroke:{light}}} .off{{stroke:{light};opacity:.24}}
.num{{stroke:{TEXT};stroke-width:21;stroke-linejoin:miter;stroke-miterlimit:3}}
.spoke{{stroke:{light};stroke-width:9}} .node{{fill:{light}}} .hub{{fill:{TEXT}}}
.edge{{fill:none;stroke:{light};stroke-width:3;opacity:.55}}
@media (max-width:160px){{.fine,.tick{{display:none}} .arc{{display:block}} .sign{{transform:translate(300px,300px) scale(2.05)}} .num{{stroke-width:23}}}}
"""


def draw(badge: Badge) -> str:
    """The badge as SVG."""
    ground, light = COLOURS.get(badge.module, COLOURS[0])
    ticks, arcs = _ring(badge)
    kind = (
        f"Module {badge.module} of {badge.modules}" if badge.module else f"Full programme, {badge.points} ECVET points"
    )
    label = escape(f"{badge.programme}: {kind}. {badge.title}, {badge.year}")
    rows = _lines(badge.title)
    size = 38 if len(rows) == 1 else 34
    title = "".join(_fitted(row, 410 + i * (size + 6), size, 350 - i * 44, "t") for i, row in enumerate(rows))
    year = _fitted(badge.year, 462 if len(rows) == 1 else 500, 25, 200, "y")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 600" role="img" aria-label="{label}">
<title>{label}</title>
<style>{_style(light)}</style>
<circle cx="300" cy="300" r="296" fill="{ground}"/>
<circle class="edge fine" cx="300" cy="300" r="232"/>
<g class="tick">{ticks}</g>
<g class="arc">{arcs}</g>
<defs><path id="up" d="{_arc(193, 271, 449)}"/></defs>
<text class="c fine" font-size="25"><textPath href="#up" startOffset="50%">{escape(badge.programme.upper())}</textPath></text>
<g class="sign" transform="translate(300 262) scale(1.12)">{_sign(badge.module)}</g>
<g class="fine">{title}{year}</g>
</svg>
"""


def bake(svg: str, signed: Json) -> str:
    """The drawing with the signed credential inside (Open Badges 3.0 section 5.3.2.1)."""
    # "]]>" would end the CDATA section; inside JSON the character can be written otherwise.
    text = json.dumps(signed).replace("]]>", "]]\\u003e")
    element = f"<openbadges:credential><![CDATA[{text}]]></openbadges:credential>"
    opened = svg.replace("<svg ", f'<svg xmlns:openbadges="{NAMESPACE}" ', 1)
    return opened.replace("</svg>", f"{element}\n</svg>", 1)
