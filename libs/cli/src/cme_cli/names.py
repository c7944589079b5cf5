"""Short names of events: `enrolment.learner.enrolled` for `com.clustereducation.enrolment.learner.enrolled.v1`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from cme_cli.errors import CliError

PREFIX = "com.clustereducation."
_VERSION = re.compile(r"\.v(\d+)$")


def short(type_: str) -> str:
    """Without what all have in common, and without version 1."""
    return type_.removeprefix(PREFIX).removesuffix(".v1")


def full(name: str, known: Sequence[str]) -> str:
    """The type that a name means: the whole of it, without prefix, or without version (then the newest).

    Raises CliError, with what may have been meant.
    """
    wanted = name if name.startswith(PREFIX) else PREFIX + name
    if wanted in known:
        return wanted
    versions = [type_ for type_ in known if _VERSION.sub("", type_) == wanted]
    if versions:
        return max(versions, key=lambda type_: int(_VERSION.findall(type_)[0]))
    near = get_close_matches(short(wanted), [short(type_) for type_ in known], n=3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise CliError(f"There is no event {name}.{meant} `cme trigger --list` lists them.")
