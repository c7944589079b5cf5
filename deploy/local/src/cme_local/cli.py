"""The `cme` command.

argparse, and imports inside the commands: importing typer and what it validates with takes 0.6 s and
15 MB, which every start would wait for and the supervisor would keep.
"""

# ruff: noqa: PLC0415 -- a command imports what it needs when it runs

import argparse
import errno
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

from cme_local.errors import StackError, UserError

DEFAULT_PORT_BASE = 8800
Command = Callable[[argparse.Namespace], int]
PARTNER_COMMANDS = {
    "api": "Call the API with a client's token and print the answer.",
    "listen": "Receive a client's webhook events on this machine, signed as they would be.",
    "trigger": "Have a sample of an event sent to a client's webhooks and to who listens.",
}


def _stack_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port-base",
        type=int,
        default=DEFAULT_PORT_BASE,
        metavar="N",
        help="first of its ports (8800)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(
        "cme", description="Cluster Manager Education: local stack, pilot year, tests, benchmarks."
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    up = command("up", _up, "Start the whole platform here and keep it running until Ctrl-C.")
    _stack_options(up)
    up.add_argument("--json", action="store_true", help="print the stack as JSON")
    up.add_argument(
        "--nats-nodes", type=int, choices=[1, 3], default=1, help="servers of the broker; 3 are a cluster (1)"
    )

    demo = command("demo", _demo, "Start the platform and play the whole pilot year through its public API.")
    _stack_options(demo)
    demo.add_argument("--exit", action="store_true", help="stop everything after the pilot year")
    demo.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file")

    test = command("test", _test, "Everything that CI checks. Further arguments go to pytest.")
    test.add_argument("--fast", action="store_true", help="unit and architecture tests only, under a minute")

    contracts = command("contracts", _contracts, "Regenerate event schemas, AsyncAPI and OpenAPI.")
    contracts.add_argument("--check", action="store_true", help="change nothing; fail when they are not up to date")

    bench = command("bench", _bench, "Measure, print a table, write JSON to .cme/bench/.")
    bench.add_argument("name", choices=["start", "gateway", "oauth", "events", "traces"])
    bench.add_argument(
        "--quick", action="store_true", help="less of everything, to try it (gateway, oauth, events, traces)"
    )

    check = command("check", _check, "Read every record of a running stack and tell which invariants hold.")
    check.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file")
    check.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS", help="settle time before what looks broken is told (10)"
    )

    _dlq_commands(command("dlq", _dlq, "List, show, redrive or discard messages that a service could not apply."))

    rebuild = command("rebuild", _rebuild, "Make streams again from the outboxes, or read models from the streams.")
    rebuild.add_argument("what", choices=["streams", "models"])
    rebuild.add_argument("--service", metavar="NAME", help="of this service only")
    rebuild.add_argument("--model", metavar="NAME", help="this read model only")
    rebuild.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")
    rebuild.add_argument("--dry-run", action="store_true", help="say what is missing or wrong and change nothing")

    backup = command("backup", _backup, "Write a consistent copy of a running stack into one file. The file is secret.")
    backup.add_argument("file", type=Path, metavar="FILE", help="the archive to write")
    backup.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")

    restore = command("restore", _restore, "Make a new data directory from a backup.")
    restore.add_argument("file", type=Path, metavar="FILE", help="the archive to read")
    restore.add_argument("--data", type=Path, metavar="NEWDIR", required=True, help="a new or empty directory")

    # The suite has options of its own, and tells them itself.
    faults = commands.add_parser(
        "faults", help="Break the platform in every known way and count what is lost.", add_help=False
    )
    faults.set_defaults(run=_faults)

    for name, text in PARTNER_COMMANDS.items():
        # Its own package, which partners install without this checkout, has the options and tells them.
        commands.add_parser(name, help=text, description=text, add_help=False).set_defaults(run=_partner, partner=name)

    login = command("login", _login, "Print a link that signs an operator in to the traces of a running stack, once.")
    login.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")

    command("doctor", _doctor, "Check Python, ports, disk and engines of this machine.")
    command("version", _version, "Print the version.")
    return top


def _dlq_commands(dlq: argparse.ArgumentParser) -> None:
    acts = dlq.add_subparsers(dest="act", title="what to do", metavar="ACT", required=True)

    def act(name: str, text: str) -> argparse.ArgumentParser:
        made = acts.add_parser(name, help=text, description=text)
        made.add_argument("--service", metavar="NAME", help="of this service (list, --all: of every service)")
        made.add_argument("--data", type=Path, metavar="DIR", help="data directory (.cme/data)")
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    act("list", "Every dead letter, oldest first.")
    act("show", "One dead letter with its original bytes.").add_argument("number", type=int, metavar="NUMBER")
    for made in (
        act("redrive", "Apply dead letters now, each with those behind it in its aggregate."),
        act("discard", "Give dead letters up for good."),
    ):
        made.add_argument("numbers", type=int, nargs="*", metavar="NUMBER")
        made.add_argument("--all", action="store_true", help="every one")
        made.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    made.add_argument("--reason", metavar="TEXT", help="why nobody needs them any more")


def _data(arguments: argparse.Namespace) -> Path:
    from cme_local.stack import default_data

    return (arguments.data or default_data()).resolve()


def _run(work: Awaitable[None]) -> bool:
    from cme_local.interrupts import run_until_interrupted

    return run_until_interrupted(work)


def _up(arguments: argparse.Namespace) -> int:
    from cme_local.processes import Ports
    from cme_local.up import up

    _run(up(Ports(arguments.port_base, arguments.nats_nodes), _data(arguments), arguments.json))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from cme_local.demo import Demo

    file = arguments.json.resolve() if arguments.json else None
    demo = Demo(arguments.port_base, _data(arguments), arguments.exit, file)
    _run(demo.run())
    # Interrupted before the year was over: 130, as a shell reports Ctrl-C.
    return 0 if demo.finished else 130


def _test(arguments: argparse.Namespace) -> int:
    from cme_local.checks import run_checks

    return run_checks(arguments.fast, arguments.rest)


def _contracts(arguments: argparse.Namespace) -> int:
    from cme_local.contracts import run

    return run(arguments.check)


def _bench(arguments: argparse.Namespace) -> int:
    from cme_local.bench import run

    return run(arguments.name, quick=arguments.quick)


def _check(arguments: argparse.Namespace) -> int:
    from cme_local.check.command import check_stack

    return check_stack(_data(arguments), arguments.json, arguments.wait)


def _dlq(arguments: argparse.Namespace) -> int:
    from cme_local import dlq
    from cme_local.operating import Operator
    from cme_local.stack import Stack

    operator = Operator.of(Stack.of_running(_data(arguments)))
    service, as_json = arguments.service, arguments.json
    match arguments.act:
        case "list":
            return dlq.list_letters(operator, service, as_json)
        case "show":
            return dlq.show_letter(operator, service, arguments.number, as_json)
    chosen = dlq.Chosen(service, arguments.numbers, arguments.all)
    if arguments.act == "redrive":
        return dlq.redrive_letters(operator, chosen, arguments.dry_run, as_json)
    return dlq.discard_letters(operator, chosen, arguments.reason, arguments.dry_run, as_json)


def _rebuild(arguments: argparse.Namespace) -> int:
    from cme_local import rebuild
    from cme_local.operating import Operator
    from cme_local.stack import Stack

    operator = Operator.of(Stack.of_running(_data(arguments)))
    if arguments.what == "models":
        return rebuild.rebuild_models(operator, arguments.service, arguments.model, arguments.dry_run)
    if arguments.model:
        raise UserError("--model goes with `./cme rebuild models`.")
    return rebuild.rebuild_streams(operator, arguments.service, arguments.dry_run)


def _backup(arguments: argparse.Namespace) -> int:
    from cme_local.backup.making import run

    return run(_data(arguments), arguments.file.resolve())


def _restore(arguments: argparse.Namespace) -> int:
    from cme_local.backup.restoring import run

    return run(arguments.file.resolve(), _data(arguments))


def _faults(arguments: argparse.Namespace) -> int:
    from cme_local.faults import run

    return run(arguments.rest)


def _partner(arguments: argparse.Namespace) -> int:
    from cme_cli.__main__ import run

    from cme_local.stack import default_data, stack_file

    stack = stack_file(default_data())
    chosen = any(argument.split("=")[0] == "--stack" for argument in arguments.rest)
    options = ["--stack", str(stack)] if stack.exists() and not chosen else []
    return run([arguments.partner, *arguments.rest, *options])


def _login(arguments: argparse.Namespace) -> int:
    from cme_local.login import run

    return run(_data(arguments))


def _doctor(_: argparse.Namespace) -> int:
    from cme_local.doctor import run

    return run(DEFAULT_PORT_BASE)


def _version(_: argparse.Namespace) -> int:
    from importlib.metadata import version

    print(version("cme-local"))
    return 0


def main() -> NoReturn:
    """Run the command; an error is one clear line on stderr, never a traceback of ours."""
    cme = parser()
    arguments, rest = cme.parse_known_args()
    if rest and arguments.run not in {_test, _faults, _partner}:
        cme.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        sys.exit(arguments.run(arguments))
    except UserError as error:
        _fail(str(error), 2)
    except StackError as failure:
        _fail(f"{failure}\n{failure.log_tail}".rstrip(), 1)
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        _fail("No space is left on the disk. Free some space, or use --data on another disk.", 2)


def _fail(message: str, code: int) -> NoReturn:
    print(f"cme: {message}", file=sys.stderr)
    sys.exit(code)
