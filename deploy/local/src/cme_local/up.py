"""`cme up`: the stack, until Ctrl-C."""

from pathlib import Path

from cme_local.console import Progress, print_stack
from cme_local.processes import Ports
from cme_local.run import running_stack


async def up(ports: Ports, data: Path, as_json: bool) -> None:
    """Bring the stack up, say where it is, and keep it until a signal or a failure."""
    progress = Progress(ports.process_count)
    async with running_stack(ports, data, progress.ready) as running:
        if as_json:
            print(running.stack.to_json(), flush=True)
        else:
            print_stack(running.stack, progress.seconds)
        await running.supervisor.failed()
