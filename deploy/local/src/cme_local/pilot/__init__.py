"""The pilot year: the programme's facts, and the player that carries them through the public API."""

from cme_local.pilot.player import play
from cme_local.pilot.report import Report

__all__ = ["Report", "play"]
