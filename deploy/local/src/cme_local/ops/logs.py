"""The log lines of a trace, from the files that the processes of a local stack write."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Lines kept by trace; the traces whose lines came first go first.
MOST_LINES = 20_000
#: Bytes of a file read at one look; what came before the last of them is not indexed.
MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class LogLine:
    """One structured line: when, who, how bad, what, and the rest."""

    at: str
    service: str
    level: str
    event: str
    fields: dict[str, Any]


class Logs:
    """An index of log lines by trace id, which reads only what was written since it last looked."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._lines: OrderedDict[str, list[LogLine]] = OrderedDict()
        self._count = 0

    def of(self, trace_id: str) -> list[LogLine]:
        """The lines of a trace, oldest first."""
        self._refresh()
        return sorted(self._lines.get(trace_id, ()), key=lambda line: line.at)

    def _refresh(self) -> None:
        for path in sorted(self._folder.glob("*.log")) if self._folder else ():
            for line in self._new_lines(path):
                self._keep(line)
        while self._count > MOST_LINES:
            _, dropped = self._lines.popitem(last=False)
            self._count -= len(dropped)

    def _new_lines(self, path: Path) -> Iterator[bytes]:
        size = path.stat().st_size
        start = self._read.get(path, 0)
        if size < start:
            start = 0  # the process began a new file
        if size == start:
            return
        with path.open("rb") as file:
            file.seek(max(start, size - MOST_BYTES))
            chunk = file.read(MOST_BYTES)
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._read[path] = file_end = max(start, size - MOST_BYTES) + len(whole)
        assert file_end <= size
        yield from whole.splitlines()

    def _keep(self, line: bytes) -> None:
        if b'"trace_id"' not in line:
            return
        try:
            entry = json.loads(line)
        except ValueError:
            return  # a line that a crash cut short, or one of the engines, which are not structured
        if not isinstance(entry, dict) or not isinstance(trace_id := entry.pop("trace_id", None), str):
            return
        known = {name: str(entry.pop(name, "")) for name in ("timestamp", "service", "level", "event")}
        self._lines.setdefault(trace_id, []).append(
            LogLine(known["timestamp"], known["service"], known["level"], known["event"], entry)
        )
        self._count += 1
