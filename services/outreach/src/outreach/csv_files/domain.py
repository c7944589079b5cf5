"""CSV as people send it: any usual encoding, BOM, delimiter; rows that do not fit are refused one by one."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outreach.fields.domain import MAX_CELL

MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 5_000
DELIMITERS = (",", ";", "\t", "|")
REPLACEMENT = "\ufffd"
#: A UTF-8 file with a few broken sequences is still one; above this share it is something else.
BROKEN_SHARE = 0.05
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says what to change."""


@dataclass(frozen=True)
class CsvRow:
    """One record, its number counted from 1 after the header; `refused` says why its cells are not there."""

    number: int
    cells: Mapping[str, str]
    refused: str | None = None


@dataclass(frozen=True)
class CsvFile:
    """A file that was read."""

    encoding: str
    delimiter: str
    rows: Sequence[CsvRow]


def decode(raw: bytes) -> tuple[str, str]:
    """The text of a file and its encoding: by BOM, else UTF-8, else Windows-1252."""
    for bom, encoding in _BOMS:
        if raw.startswith(bom):
            return raw.decode(encoding, "replace"), encoding
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
    beyond_ascii = sum(not sign.isascii() for sign in text)
    if text.count(REPLACEMENT) <= max(1, BROKEN_SHARE * beyond_ascii):
        return text, "utf-8"
    return raw.decode("cp1252", "replace"), "windows-1252"


def read_csv(raw: bytes, columns: Mapping[str, str | None], required: Sequence[str]) -> CsvFile:
    """Read a file whose header has known columns; `columns` maps each to our name, or to None to ignore it.

    Raises UnreadableFile.
    """
    text, encoding = decode(raw)
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        records = [record for record in reader if record]
    except csv.Error as error:
        raise UnreadableFile(f"Line {reader.line_num} is not CSV: {error}. Close every quotation mark.") from error
    if not records:
        raise UnreadableFile("The file is empty.")
    names = [name.strip().lower() for name in records[0]]
    unknown = [name for name in names if name not in columns]
    if unknown or len(set(names)) != len(names):
        raise UnreadableFile(f"Columns that are unknown or double: {', '.join(unknown or names)[:300]}.")
    ours = [columns[name] for name in names]
    if missing := [name for name in required if name not in ours]:
        raise UnreadableFile(f"Columns that are missing: {', '.join(missing)}.")
    if len(records) - 1 > MAX_ROWS:
        raise UnreadableFile(f"Send at most {MAX_ROWS} rows in one file.")
    return CsvFile(encoding, delimiter, [_row(number, record, ours) for number, record in enumerate(records[1:], 1)])


def _row(number: int, record: Sequence[str], ours: Sequence[str | None]) -> CsvRow:
    cells = {name: cell for name, cell in zip(ours, record, strict=False) if name is not None}
    refused = None
    if len(record) != len(ours):
        refused = "more_cells_than_columns" if len(record) > len(ours) else "fewer_cells_than_columns"
    elif any("\0" in cell for cell in record):
        refused = "nul_byte"
    elif any(len(cell) > MAX_CELL for cell in record):
        refused = "cell_too_long"
    return CsvRow(number, cells, refused)
