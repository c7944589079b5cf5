"""Settings of curriculum: what every service needs, and nothing of its own."""

from cme_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from `CME_*` at start."""
