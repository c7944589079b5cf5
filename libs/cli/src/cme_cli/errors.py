"""What the command tells a person instead of a traceback, and how it ends."""

from __future__ import annotations

#: Exit codes: all is well, the API said no, the command was not used right, nothing answered.
OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3


class CliError(Exception):
    """One clear line on stderr, and how to end."""

    code = USAGE


class Unreachable(CliError):
    """The API, or what it leads to, does not answer."""

    code = UNREACHABLE


class Refused(CliError):
    """The API said no; the message is that of its problem document (RFC 9457)."""

    code = REFUSED
