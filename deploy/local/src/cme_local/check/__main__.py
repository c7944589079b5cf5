"""`python -m cme_local.check`: the auditor where no local stack is, with everything from the environment.

CME_MONGO_URL, CME_NATS_URL, CME_NATS_USER and CME_NATS_PASSWORD, as a service has them.
"""

import argparse
import os
import sys
from pathlib import Path

from cme_local.check import SETTLES_WITHIN_S
from cme_local.check.command import check
from cme_local.errors import UserError

NEEDED = ("CME_MONGO_URL", "CME_NATS_URL", "CME_NATS_USER", "CME_NATS_PASSWORD")


def main() -> int:
    """0 when every invariant holds, 1 when one is broken, 2 when nothing could be read."""
    parser = argparse.ArgumentParser("python -m cme_local.check", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to this file")
    parser.add_argument(
        "--wait", type=float, default=SETTLES_WITHIN_S, metavar="SECONDS", help="settle time before the second look"
    )
    arguments = parser.parse_args()
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        print(f"cme: set {', '.join(missing)}", file=sys.stderr)
        return 2
    try:
        mongo_url, nats_url, user, password = (os.environ[name] for name in NEEDED)
        return check(mongo_url, nats_url, user, password, arguments.json, arguments.wait)
    except UserError as error:
        print(f"cme: {error}", file=sys.stderr)
        return 2


sys.exit(main())
