"""The table, for a terminal and for a page."""

from collections.abc import Sequence

from .outcome import Row

COLUMNS = ("experiment", "acknowledged", "ok", "lost", "duplicated", "unknown", "violations", "recovery (s)")
BEGIN, END = "<!-- faults: table -->", "<!-- faults: end of table -->"


def _cells(row: Row) -> list[str]:
    if row.not_possible:
        return [row.experiment, f"not possible here: {row.not_possible}"]
    counts = (row.acknowledged, row.ok, row.lost, row.duplicated, row.unknown, row.violations)
    name = f"{row.experiment} ({'caught' if row.holds else 'NOT CAUGHT'})" if row.must_fail else row.experiment
    return [name, *(str(n) for n in counts), f"{row.recovery_s:.1f}"]


def as_table(rows: Sequence[Row]) -> str:
    """Columns of equal width, and below each row what was wrong."""
    width = max(len(COLUMNS[0]), *(len(_cells(row)[0]) for row in rows))
    lines = ["  ".join([COLUMNS[0].ljust(width), *COLUMNS[1:]])]
    for row in rows:
        first, *rest = _cells(row)
        sized = (
            rest if row.not_possible else [text.rjust(len(name)) for name, text in zip(COLUMNS[1:], rest, strict=True)]
        )
        lines.append("  ".join([first.ljust(width), *sized]))
        lines.extend(f"    {detail}" for detail in row.details)
    return "\n".join(lines)


def as_markdown(page: str, rows: Sequence[Row], command: str) -> str:
    """The page with the table between its markers replaced. Raises ValueError when it has no markers."""
    before, marker, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not marker or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    for row in rows:
        cells = _cells(row)
        lines.append(f"| {' | '.join(cells + [''] * (len(COLUMNS) - len(cells)))} |")
    table = "\n".join(lines)
    return f"{before}{BEGIN}\n\n`{command}`\n\n{table}\n\n{END}{after}"
