"""Small disks of their own for the engines: a loop-mounted image that fills up, or loses what was not written back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

BLOCK = 64 * 1024


class NotPossible(Exception):
    """This machine does not allow an experiment; says why."""


class Disk:
    """An ext4 image mounted where an engine keeps its data."""

    def __init__(self, image: Path, mounted: Path, megabytes: int) -> None:
        self._image = image
        self._mounted = mounted
        self._megabytes = megabytes

    @asynccontextmanager
    async def in_place(self) -> AsyncIterator[Disk]:
        """Made and mounted inside the block. Raises NotPossible."""
        if os.geteuid() != 0:
            raise NotPossible("mounting a disk needs root")
        self._mounted.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(self._megabytes * 2**20)
        await _run("mkfs.ext4", "-q", "-F", str(self._image))
        await self._mount()
        try:
            yield self
        finally:
            await _run("umount", "--lazy", str(self._mounted))

    async def _mount(self) -> None:
        await _run("mount", "-o", "loop", str(self._image), str(self._mounted))
        # Its engine takes every folder for one of its own.
        with suppress(FileNotFoundError):
            (self._mounted / "lost+found").rmdir()

    def fill(self) -> None:
        """Take all the space that is left."""
        with suppress(OSError), (self._mounted / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(BLOCK))

    def free(self) -> None:
        """Give the space back."""
        (self._mounted / "filler").unlink()

    async def power_cut(self) -> None:
        """Keep what is on the disk by now; what was only in memory will be gone with `restore`."""
        await asyncio.to_thread(shutil.copyfile, self._image, self._cut)

    async def restore(self) -> None:
        """Put the disk back as it was at the cut, with its engine down."""
        await _run("umount", str(self._mounted))
        self._cut.replace(self._image)
        await self._mount()

    @property
    def _cut(self) -> Path:
        return self._image.with_suffix(".cut")


async def _run(*command: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError:
        raise NotPossible(f"{command[0]} is not installed") from None
    _, complaint = await process.communicate()
    if process.returncode != 0:
        raise NotPossible(f"{command[0]}: {complaint.decode(errors='replace').strip()[:120]}")
