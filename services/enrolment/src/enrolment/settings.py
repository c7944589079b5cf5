"""Settings of enrolment, read from `CME_*`."""

from cme_kit.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """What every deployable needs, and how often offers are looked through."""

    #: Seconds between two looks for offers whose time to answer is over.
    offer_sweep_seconds: float = Field(default=1.0, gt=0, le=60)
