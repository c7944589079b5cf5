"""`./cme check`: the auditor on the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from nats.errors import Error as NatsError
from pymongo.errors import PyMongoError

from cme_local.check import Report, run_check
from cme_local.errors import UserError
from cme_local.secrets import NATS_TOOL_USER, load_or_create
from cme_local.stack import Stack


def check_stack(data: Path, file: Path | None, wait: float) -> int:
    """Audit the stack that runs on a data directory. Raises UserError when none does."""
    stack = Stack.of_running(data)
    password = load_or_create(data).nats_passwords[NATS_TOOL_USER]
    return check(stack.urls["mongo"], stack.urls["nats"], NATS_TOOL_USER, password, file, wait)


def check(mongo_url: str, nats_url: str, user: str, password: str, file: Path | None, wait: float) -> int:
    """Print the report and write it to a file; 0 when every invariant holds. Raises UserError without an engine."""
    try:
        report: Report = asyncio.run(run_check(mongo_url, nats_url, user, password, wait))
    except (PyMongoError, NatsError, OSError) as error:
        raise UserError(f"The engines cannot be read: {type(error).__name__}: {str(error)[:200]}") from None
    print(report.as_text())
    if file:
        file.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if report.ok else 1
