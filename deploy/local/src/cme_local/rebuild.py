"""`./cme rebuild`: streams made again from the outboxes, read models from the streams."""

import sys
import time
from typing import Any

from cme_local.errors import UserError
from cme_local.operating import NotAnswered, Operator
from cme_local.processes import SERVICES

POLL_S = 0.3
#: A service that is restarted meanwhile begins again by itself.
PATIENCE_S = 60.0


def rebuild_streams(operator: Operator, service: str | None, dry_run: bool) -> int:
    """Publish again what streams lost, service by service; 1 when one was not reached."""
    failed = False
    for one in (service,) if service else SERVICES:
        try:
            count = operator.rebuild_streams(one, dry_run=dry_run)
        except UserError as error:
            failed = _complain(error)
        else:
            print(f"{one}: {count} events {'are missing' if dry_run else 'were missing and are published again'}")
    return 1 if failed else 0


def rebuild_models(operator: Operator, service: str | None, model: str | None, dry_run: bool) -> int:
    """Make read models again one after the other, or only compare them; 1 when one could not be made."""
    failed = False
    known: list[tuple[str, str]] = []
    for one in (service,) if service else SERVICES:
        try:
            known += [(one, found.name) for found in operator.models(one)]
        except UserError as error:
            failed = _complain(error)
    chosen = [(one, name) for one, name in known if model in (None, name)]
    if not chosen and not failed:
        there = ", ".join(f"{one} {name}" for one, name in known) or "none"
        raise UserError(f"There is no read model {model or 'here'} that can be made again. There are: {there}")
    for place, (one, name) in enumerate(chosen, 1):
        try:
            operator.rebuild_model(one, name, dry_run=dry_run)
            rebuild = _ended(operator, one, name, f"{place}/{len(chosen)} ")
        except UserError as error:
            failed = _complain(error)
            continue
        failed |= rebuild["state"] == "failed"
        print(f"{one} {name}: {_told(rebuild)}", flush=True)
    return 1 if failed else 0


def _ended(operator: Operator, service: str, name: str, counted: str) -> dict[str, Any]:
    """The rebuild once it is over."""
    silent_since: float | None = None
    while True:
        try:
            rebuild = next(model.rebuild for model in operator.models(service) if model.name == name)
            silent_since = None
        except NotAnswered:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE_S:
                raise
        else:
            assert rebuild is not None  # it was asked for
            if rebuild["state"] != "building":
                _progress("")
                return rebuild
            _progress(f"{counted}{service} {name}: {rebuild['events']} events, {rebuild['changed']} documents differ")
        time.sleep(POLL_S)


def _told(rebuild: dict[str, Any]) -> str:
    if rebuild["state"] == "failed":
        return f"cannot be made again: {rebuild['reason']}"
    done, are = ("compared with", "are wrong") if rebuild["dry_run"] else ("made again from", "were wrong")
    wrong = f"{rebuild['changed']} documents {are}" if rebuild["changed"] else "nothing was wrong"
    return f"{done} {rebuild['events']} events; {wrong}"


def _complain(error: UserError) -> bool:
    print(f"cme: {error}", file=sys.stderr, flush=True)
    return True


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
