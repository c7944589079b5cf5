"""`cme`, as partners have it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cme_cli.commands import add_calls, add_logins
from cme_cli.errors import CliError
from cme_cli.printing import tell

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser("cme", description="Cluster Manager Education, for partners' developers.")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str, /) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    add_calls(command)
    add_logins(command)
    return top


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code. An error is one clear line on stderr, never a traceback of ours."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except CliError as error:
        tell(f"cme: {error}")
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED


def main() -> NoReturn:
    """Run what the command line says."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
