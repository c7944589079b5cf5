"""What the demonstration shows at its end."""

# ruff: noqa: PLC0415 -- what draws the table is for who wants to see it; the steps of the year are played elsewhere too

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

ROWS = (
    ("applications", "Applications"),
    ("offers", "Offers"),
    ("started", "Learners who started"),
    ("withdrawn", "  of whom withdrew"),
    ("completed", "Learners who completed"),
    ("unit_badges", "Unit badges"),
    ("programme_badges", "Programme badges"),
    ("revoked", "Badges revoked and issued again"),
    ("badges_verified", "Badges verified"),
    ("clusters_contacted", "Clusters contacted"),
    ("clusters_aware", "Clusters made aware (target 100)"),
    ("courses_pulled", "Courses pulled by the collaboration platform"),
    ("events_published", "Events published"),
    ("events_applied", "Events applied"),
    ("dead_letters", "Dead letters"),
)


@dataclass
class Report:
    """The table of figures, all read back from the services, and where to look."""

    table: dict[str, Any]
    trace_url: str
    seconds: dict[str, float] = field(default_factory=dict)
    #: Requests that had to be sent again because something was restarting.
    repeated: int = 0

    def render(self, console: "Console") -> None:
        """Print figures, links and seconds per stage."""
        from rich.table import Table

        figures = Table(title="The pilot year", title_justify="left")
        figures.add_column("Figure")
        figures.add_column("Value", justify="right")
        for name, label in ROWS:
            figures.add_row(label, str(self.table[name]))
        console.print(figures)
        started = ", ".join(f"{country} {count}" for country, count in self.table["started_by_country"].items())
        console.print(f"Learners by country: {started}", highlight=False)
        for name, url in (*self.table["samples"].items(), ("one learner's trace", self.trace_url)):
            console.print(f"  {name.replace('_', ' '):<20} {url}", highlight=False, soft_wrap=True)
        if self.repeated:
            console.print(f"{self.repeated} requests were sent again while something restarted.", highlight=False)
