"""The log lines of a trace, read from growing files."""

import json
from pathlib import Path

import pytest
from cme_local.ops import logs
from cme_local.ops.logs import Logs


def line(trace: str, event: str, at: str = "2026-11-24T10:00:00Z", **fields: object) -> str:
    return json.dumps({"trace_id": trace, "event": event, "timestamp": at, "service": "a", "level": "info", **fields})


def test_lines_are_found_by_trace_as_files_grow(tmp_path: Path) -> None:
    found = Logs(tmp_path)
    (tmp_path / "a.log").write_text(line("t1", "second", "2026-11-24T10:00:02Z", unit="u1") + "\nplain text\n")
    (tmp_path / "b.log").write_text(line("t1", "first", "2026-11-24T10:00:01Z") + "\n" + line("t2", "other") + "\n")

    assert [(entry.event, entry.fields) for entry in found.of("t1")] == [("first", {}), ("second", {"unit": "u1"})]

    with (tmp_path / "a.log").open("a") as file:
        file.write(line("t1", "third", "2026-11-24T10:00:03Z") + "\n" + line("t1", "cut off")[:20])
    assert [entry.event for entry in found.of("t1")] == ["first", "second", "third"]

    (tmp_path / "a.log").write_text(line("t3", "new file") + "\n")
    assert [entry.event for entry in found.of("t3")] == ["new file"]
    assert found.of("unknown") == []


def test_lines_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 10)
    (tmp_path / "a.log").write_text("".join(line(f"t{n}", "x") + "\n" for n in range(30)))
    found = Logs(tmp_path)

    assert found.of("t0") == []
    assert len(found.of("t29")) == 1
