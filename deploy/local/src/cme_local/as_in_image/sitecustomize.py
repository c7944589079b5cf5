"""On the path of the deployables of a local stack: they see what their image has, not what this environment adds.

The shared environment holds rich, pygments and psutil for the command and the tests, and aiohttp and httpx for the
gateway and the pilot. structlog, nats-py and OpenTelemetry import them when they are there, which costs each process up
to 0.7 s of CPU and 12 MB. In an image, which installs one package's dependencies, they are not there.
"""

# ruff: noqa: INP001 -- Python finds this name on the path, not in a package

import sys

ABSENT = ["rich", "pygments", "psutil", "httpx"]
if sys.orig_argv[-1] != "gateway":
    ABSENT.append("aiohttp")
if "cme_local.sandbox_api" in sys.orig_argv:
    # It fills itself through its API.
    ABSENT.remove("httpx")

for absent in ABSENT:
    # None makes the import raise ModuleNotFoundError.
    sys.modules[absent] = None  # type: ignore[assignment]
