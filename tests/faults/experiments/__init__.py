"""Every experiment, registered by being imported."""

from . import crashes, disks, engines, messages, network, replicas, sabotage, soak, year

__all__ = ["crashes", "disks", "engines", "messages", "network", "replicas", "sabotage", "soak", "year"]
