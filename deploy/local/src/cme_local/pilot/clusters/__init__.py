"""An invented European cluster directory: the truth, what an officer would upload, and what must come of it."""

from cme_local.pilot.clusters.directory import Directory, draw_directory

__all__ = ["Directory", "draw_directory"]
