"""Handing mails to the SMTP relay, and saying exactly how far that went."""

from __future__ import annotations

import contextlib

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from outreach.sending.domain import Handover, HandoverResult

TEMPORARY = range(400, 500)


class RelayUnavailable(ConnectionError):
    """No connection to the relay: nothing was claimed and nothing was sent."""


class RelayConnection:
    """One connection to the relay, opened again when the relay closed it."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        self._smtp: SMTP | None = None

    async def ready(self) -> None:
        """Make sure of a connection before a mail is claimed. Raises RelayUnavailable."""
        if self._smtp is not None and self._smtp.is_connected:
            return
        self._smtp = SMTP(hostname=self._host, port=self._port, timeout=self._timeout)
        try:
            await self._smtp.connect()
        except (SMTPException, OSError) as error:
            self._smtp = None
            raise RelayUnavailable(f"{type(error).__name__}: {error}") from error

    async def hand_over(self, sender: str, recipient: str, message: bytes) -> Handover:
        """Offer one mail. Before its content is offered a broken connection is harmless, afterwards it leaves doubt."""
        assert self._smtp is not None  # `ready` was called
        offered = False
        try:
            await self._smtp.mail(sender)
            await self._smtp.rcpt(recipient)
            offered = True
            reply = await self._smtp.data(message)
        except SMTPResponseException as error:
            result = HandoverResult.DEFERRED if error.code in TEMPORARY else HandoverResult.REFUSED
            await self._forget_envelope()
            return Handover(result, f"{error.code} {error.message}")
        except (SMTPException, OSError) as error:
            self.drop()
            return Handover(HandoverResult.UNKNOWN if offered else HandoverResult.NOT_STARTED, type(error).__name__)
        return Handover(HandoverResult.ACCEPTED, f"{reply.code} {reply.message}")

    async def _forget_envelope(self) -> None:
        try:
            assert self._smtp is not None
            await self._smtp.rset()
        except (SMTPException, OSError):
            self.drop()

    def drop(self) -> None:
        """Close without a goodbye."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    async def close(self) -> None:
        """Say goodbye and close."""
        if self._smtp is not None and self._smtp.is_connected:
            with contextlib.suppress(SMTPException, OSError):  # it is closed either way
                await self._smtp.quit()
        self.drop()


class MailRelay:
    """Where the relay is."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host, self._port, self._timeout = host, port, timeout

    def connection(self) -> RelayConnection:
        """A connection, not yet opened."""
        return RelayConnection(self._host, self._port, self._timeout)
