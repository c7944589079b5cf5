"""`cme api METHOD PATH`: one call, its answer as JSON."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from cme_cli.calling import Answer
from cme_cli.errors import OK, REFUSED, UNREACHABLE, CliError
from cme_cli.printing import Tone, coloured, say, tell, toned
from cme_cli.problems import explain
from cme_cli.session import HTTP_ERROR, SERVER_ERROR, Session

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
GATEWAY_OWN = ("/oauth/", "/gateway/", "/.well-known/", "/openapi.json", "/docs")


@dataclass(frozen=True)
class Call:
    """What to ask for."""

    method: str
    path: str
    #: `-` for standard input.
    file: str | None = None
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    include: bool = False
    every_page: bool = False


def run(session: Session, call: Call) -> int:
    """Make the call and print the answer; the exit code."""
    url = _with_query(url_of(session, call.path), call.query)
    headers = _headers(call)
    body = None if call.file is None else _body(call.file)
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    answer = session.send(call.method, url, headers, body)
    if call.every_page and answer.status < HTTP_ERROR:
        return _print_pages(session, url, headers, answer)
    _print(answer, include=call.include)
    if answer.status < HTTP_ERROR:
        return OK
    tell(toned(explain(answer), Tone.BAD, sys.stderr))
    return UNREACHABLE if answer.status >= SERVER_ERROR else REFUSED


def url_of(session: Session, path: str) -> str:
    """Where a path is: what the gateway answers itself at the gateway, all else at the API of the client.

    Raises CliError for an address of somebody else, who would get the token.
    """
    base = session.base()
    if not path.startswith("/"):
        known = [api for api in (base, session.gateway) if path == api or path.startswith(f"{api}/")]
        if not known:
            raise CliError(f"{path} is not below {session.gateway}. Give a path, such as /curriculum/v1/offerings.")
        return path
    if path.startswith(GATEWAY_OWN):
        return session.gateway + path
    # A link of an answer has the whole path already.
    root = urlsplit(base).path
    return urljoin(base, path) if root and path.startswith(f"{root}/") else base + path


def _with_query(url: str, pairs: tuple[str, ...]) -> str:
    if not pairs:
        return url
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise CliError(f"Write a query parameter as name=value, not {pair}.")
        query.append((name, value))
    return parts._replace(query=urlencode(query)).geturl()


def _headers(call: Call) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if call.method == "POST":
        headers["Idempotency-Key"] = uuid.uuid4().hex
    for line in call.headers:
        name, separator, value = line.partition(":")
        if not separator:
            raise CliError(f"Write a header as 'Name: value', not {line}.")
        # Names are one whatever their case.
        headers = {known: old for known, old in headers.items() if known.lower() != name.strip().lower()}
        headers[name.strip()] = value.strip()
    return headers


def _body(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}.") from None


def _print_pages(session: Session, url: str, headers: dict[str, str], first: Answer) -> int:
    items: list[Any] = []
    for answer in _pages(session, url, headers, first):
        if answer.status >= HTTP_ERROR:
            tell(toned(explain(answer), Tone.BAD, sys.stderr))
            return UNREACHABLE if answer.status >= SERVER_ERROR else REFUSED
        document = answer.document()
        if not isinstance(document, dict) or "items" not in document:
            raise CliError("This is no list with pages. Leave out --all.")
        items += document["items"]
    _print_json(items)
    return OK


def _pages(session: Session, url: str, headers: dict[str, str], answer: Answer) -> Iterator[Answer]:
    """Page after page, by the `next` of each."""
    while True:
        yield answer
        document = answer.document()
        following = document.get("next") if isinstance(document, dict) else None
        if not following:
            return
        query = [pair for pair in parse_qsl(urlsplit(url).query, keep_blank_values=True) if pair[0] != "after"]
        url = urlsplit(url)._replace(query=urlencode([*query, ("after", following)])).geturl()
        answer = session.send("GET", url, headers)


def _print(answer: Answer, *, include: bool) -> None:
    if include:
        say(f"HTTP {answer.status} {answer.reason}")
        for name, value in answer.headers.items():
            say(f"{name}: {value}")
        say()
    document = answer.document()
    if document is not None:
        _print_json(document)
    elif answer.body:
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()


def _print_json(document: Any) -> None:
    say(json.dumps(document, ensure_ascii=False, indent=2 if coloured() or sys.stdout.isatty() else None))
