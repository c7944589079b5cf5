"""Loaded by every service of a stack under experiment: its handlers keep a ledger, and a sabotage takes a part away.

The ledger says how often each event was applied, counted in the handler's own transaction and without the inbox: what
the inbox prevents is seen even when the inbox itself is at fault. `FAULTS_BROKEN=inbox` makes the inbox forget,
`FAULTS_BROKEN=outbox` publishes beside the transaction instead of through it: nothing of the product can be switched
so, only replaced from outside.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
SERVICES = {"enrolment", "curriculum", "assessment", "credentials", "outreach"}


def _next_sitecustomize() -> None:
    """Run the one that this one hides on the path."""
    elsewhere = [folder for folder in sys.path if folder != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_next_sitecustomize()
if sys.orig_argv[-1] in SERVICES:
    sys.path.insert(0, HERE)
    import faulty_kit

    faulty_kit.keep_ledger()
    if ahead := os.environ.get("FAULTS_CLOCK_S"):
        faulty_kit.shift_clock(float(ahead))
    if broken := os.environ.get("FAULTS_BROKEN"):
        faulty_kit.BREAK[broken]()
