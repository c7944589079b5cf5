"""Settings of the assessment service."""

from cme_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Assessment needs nothing beyond what every service needs."""
