"""Every experiment, registered by being imported."""

from . import cluster, crashes, disks, engines, messages, models, network, replicas, sabotage, soak, year

__all__ = [
    "cluster",
    "crashes",
    "disks",
    "engines",
    "messages",
    "models",
    "network",
    "replicas",
    "sabotage",
    "soak",
    "year",
]
