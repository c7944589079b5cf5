"""Every line of a process is one JSON object on standard output, whoever wrote it."""

import json
import subprocess
import sys

SCRIPT = """
import logging
import structlog
from cme_kit.telemetry import configure_logging
configure_logging("outreach", "json")
structlog.get_logger("ours").info("refused", status=401)
logging.getLogger("nats").warning("slow %s", "consumer\\nforged line")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("motor").exception("odd")
"""


def test_lines_of_libraries_look_like_ours() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["level"], line["event"], line.get("logger")) for line in lines] == [
        ("info", "refused", None),
        ("warning", "slow consumer\nforged line", "nats"),
        ("error", "odd", "motor"),
    ]
    assert {line["service"] for line in lines} == {"outreach"}
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert done.stderr == ""
