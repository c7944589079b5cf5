"""Recording security-relevant acts, each chained to the one before it."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from cme_kit.clock import Clock
from cme_kit.mongo import Database, Session, after_commit

from gateway.audit.domain import Act, Entry, hash_of
from gateway.audit.repository import AuditRepository

SYSTEM = "system"
log = structlog.get_logger(__name__)


class Audit:
    """The audit trail."""

    def __init__(self, repository: AuditRepository, database: Database, clock: Clock) -> None:
        self._repository = repository
        self._database = database
        self._clock = clock

    async def record(
        self,
        act: Act,
        *,
        actor: str,
        subject: str,
        details: Mapping[str, str] | None = None,
        session: Session | None = None,
    ) -> None:
        """Append an act, in the caller's transaction when it gives its `session`.

        `actor` and `subject` are ids (`per_…`, a client's id, `system`); `details` hold no names, addresses or secrets.
        """
        if session is not None:
            await self._append(act, actor, subject, dict(details or {}), session)
            return

        async def alone(own: Session) -> None:
            await self._append(act, actor, subject, dict(details or {}), own)

        await self._database.in_transaction(alone)

    async def _append(self, act: Act, actor: str, subject: str, details: dict[str, str], session: Session) -> None:
        number, previous = await self._repository.head(session)
        now = self._clock.now()
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as precise as the database stores it
        content = (number + 1, at, act.value, actor, subject, details, previous)
        entry = Entry(*content, hash=hash_of(*content))
        await self._repository.append(entry, session)
        # A copy elsewhere, with its hash: whoever rewrites the trail cannot rewrite the log.
        line = {"number": entry.number, "act": entry.act, "actor": actor, "subject": subject, "hash": entry.hash}
        after_commit(lambda: log.info("audit", **line))

    async def page(self, filters: dict[str, str], before: int | None, limit: int) -> list[Entry]:
        """Entries with an actor, subject or act, newest first, one more than `limit`."""
        return await self._repository.page(filters, before, limit)
