"""On the path of the deployables of a local stack: they see what their image has, not what this environment adds.

The shared environment holds rich, pygments and psutil for the command and the tests. httpx, structlog and
OpenTelemetry import them when they are there, which costs each of the six processes 0.4 s of CPU and 4 MB.
In an image, which installs one package's dependencies, they are not there.
"""

import sys

for absent in ("rich", "pygments", "psutil"):
    # None makes the import raise ModuleNotFoundError.
    sys.modules[absent] = None  # type: ignore[assignment]
