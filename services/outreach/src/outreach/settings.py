"""Settings of the outreach service."""

from cme_kit.settings import ServiceSettings
from pydantic import Field, SecretStr


class Settings(ServiceSettings):
    """What outreach needs beside the common settings."""

    #: Host of the SMTP relay, which signs (DKIM) and delivers.
    smtp_host: str = "127.0.0.1"
    #: TCP port of the SMTP relay.
    smtp_port: int = Field(default=25, ge=1, le=65535)
    #: Sender of every campaign mail, as `Name <address>`; its domain is that of every Message-ID.
    mail_from: str
    #: Secret under which addresses are hashed and the links in mails are signed. Losing it loses the suppression list.
    address_key: SecretStr = Field(min_length=32)
    #: Connections to the relay that one sender keeps open.
    smtp_connections: int = Field(default=4, ge=1, le=20)
    #: Seconds after which an SMTP command without an answer is given up.
    smtp_timeout: float = Field(default=20.0, gt=0)
