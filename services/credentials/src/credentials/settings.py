"""Settings of credentials, read from `CME_*`."""

from pathlib import Path

from cme_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What every service needs, and the key that signs."""

    #: The Ed25519 key that signs credentials (PKCS #8 PEM). Another file is a rotation: older keys stay published.
    signing_key_file: Path
