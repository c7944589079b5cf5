"""The commands and their options; a local stack's `./cme` has the same ones among its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Protocol

from cme_cli import api, listen, login, trigger
from cme_cli.credentials import Wanted, find
from cme_cli.errors import CliError
from cme_cli.session import Session


class AddCommand(Protocol):
    """Makes a sub-command of a name, with its help."""

    def __call__(self, name: str, text: str, /) -> argparse.ArgumentParser:
        """The parser to add options to."""


def add_calls(command: AddCommand) -> None:
    """`api`, `listen` and `trigger`."""
    _api(command("api", "Call the API with your client's token and print the answer."))
    _listen(command("listen", "Receive your webhooks' events on this machine, signed as they would be."))
    _trigger(command("trigger", "Have a sample of an event sent to your webhooks and to who listens."))


def add_logins(command: AddCommand) -> None:
    """`login` and `logout`."""
    entering = command("login", "Keep a client on this machine; its secret is asked for.")
    entering.add_argument("--api", required=True, metavar="URL", help="base URL of the API")
    entering.add_argument("--client-id", required=True, metavar="ID", help="the client")
    entering.set_defaults(run=lambda arguments: login.run(arguments.api, arguments.client_id))
    command("logout", "Forget the client that is kept here.").set_defaults(run=lambda _: login.log_out())


def _whose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", metavar="URL", help="base URL of the API (CME_API)")
    parser.add_argument(
        "--client-id", metavar="ID", help="the client (CME_CLIENT_ID); its secret is in CME_CLIENT_SECRET"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--sandbox", action="store_true", default=True, help="of a local stack: its sandbox (default)")
    which.add_argument("--live", dest="sandbox", action="store_false", help="of a local stack: its real API")
    parser.add_argument("--stack", type=Path, metavar="FILE", help="stack file of a local stack (.cme/stack.json)")


def session_of(arguments: argparse.Namespace) -> Session:
    """The session that the options ask for. Raises CliError."""
    wanted = Wanted(arguments.api, arguments.client_id, sandbox=arguments.sandbox, stack=arguments.stack)
    return Session(find(wanted))


def _api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", choices=api.METHODS, type=str.upper, metavar="METHOD", help=", ".join(api.METHODS))
    parser.add_argument("path", metavar="PATH", help="such as /curriculum/v1/offerings")
    parser.add_argument("-f", "--file", metavar="FILE", help="the body; - for standard input")
    parser.add_argument("-q", "--query", action="append", default=[], metavar="NAME=VALUE", help="a query parameter")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header")
    parser.add_argument("-i", "--include", action="store_true", help="print status and headers too")
    parser.add_argument("--all", action="store_true", help="follow a list to its end and print its items")
    _whose(parser)
    parser.set_defaults(run=_run_api)


def _run_api(arguments: argparse.Namespace) -> int:
    call = api.Call(
        method=arguments.method,
        path=arguments.path,
        file=arguments.file,
        query=tuple(arguments.query),
        headers=tuple(arguments.header),
        include=arguments.include,
        every_page=arguments.all,
    )
    return api.run(session_of(arguments), call)


def _listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--forward-to", metavar="URL", help="where to send each, such as http://127.0.0.1:3000/hook")
    parser.add_argument("--events", metavar="NAMES", default="", help="only these, separated by commas")
    parser.add_argument("--signing", choices=["v1", "v1a"], default="v1", help="shared secret, or public key (v1)")
    parser.add_argument("--count", type=int, metavar="N", help="end after N deliveries")
    parser.add_argument("--json", action="store_true", help="one JSON document for each")
    _whose(parser)
    parser.set_defaults(run=_run_listen)


def _run_listen(arguments: argparse.Namespace) -> int:
    listen.check_address(arguments.forward_to)
    names = tuple(name.strip() for name in arguments.events.split(",") if name.strip())
    wish = listen.Wish(arguments.forward_to, names, arguments.signing, arguments.json, arguments.count)
    try:
        return listen.run(session_of(arguments), wish)
    except KeyboardInterrupt:
        return 0


def _trigger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", nargs="?", metavar="EVENT", help="such as enrolment.learner.enrolled")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the sample")
    parser.add_argument("--list", action="store_true", help="list the events")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _whose(parser)
    parser.set_defaults(run=_run_trigger)


def _run_trigger(arguments: argparse.Namespace) -> int:
    session = session_of(arguments)
    if arguments.list:
        return trigger.list_events(session, as_json=arguments.json)
    if not arguments.event:
        raise CliError("Name an event; `cme trigger --list` lists them.")
    return trigger.run(session, arguments.event, arguments.set, as_json=arguments.json)
