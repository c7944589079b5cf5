"""Every experiment, registered by being imported."""

from . import crashes, engines, messages, network, sabotage

__all__ = ["crashes", "engines", "messages", "network", "sabotage"]
