"""Colours where a person reads along, and none elsewhere (no-color.org)."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TextIO


class Tone(StrEnum):
    """What a colour says."""

    GOOD = "32"
    BAD = "31"
    FAINT = "2"
    STRONG = "1"


def coloured(stream: TextIO | None = None) -> bool:
    """Whether colours are wanted there."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and (stream or sys.stdout).isatty()


def toned(text: str, tone: Tone, stream: TextIO | None = None) -> str:
    """The text in a tone, where there are tones."""
    return f"\x1b[{tone.value}m{text}\x1b[0m" if coloured(stream) else text


def say(text: str = "") -> None:
    """A line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """A line for the person, beside the output."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
