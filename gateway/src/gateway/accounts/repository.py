"""Accounts, signed-in sessions and failed sign-ins."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.accounts.domain import Account

ACCOUNTS = "accounts"
SESSIONS = "sessions"
FAILURES = "failed_sign_ins"
INDEXES = (
    Index(ACCOUNTS, ("username",), unique=True),
    Index(SESSIONS, ("expires",), expire_seconds=0),
    Index(FAILURES, ("expires",), expire_seconds=0),
)


class AccountRepository:
    """Accounts by subject and by username."""

    def __init__(self, database: Database) -> None:
        self._accounts = database.collection(ACCOUNTS)

    async def add(self, account: Account, created: datetime, session: Session) -> None:
        """Store a new account. Raises DuplicateKeyError."""
        row = {
            "_id": account.subject,
            "username": account.username,
            "display_name": account.display_name,
            "language": account.language,
            "roles": sorted(account.roles),
            "password_hash": account.password_hash,
            "organisation_id": account.organisation_id,
            "created": created,
        }
        await self._accounts.insert(row, session=session)

    async def find(self, subject: str) -> Account | None:
        """The account of a person."""
        row = await self._accounts.find_one({"_id": subject})
        return _account(row) if row else None

    async def named(self, username: str) -> Account | None:
        """The account with a normalised username."""
        row = await self._accounts.find_one({"username": username})
        return _account(row) if row else None

    async def page(self, after: str | None, limit: int) -> list[tuple[Account, datetime]]:
        """Accounts in the order they were made, after a cursor, one more than `limit`."""
        rows = await self._accounts.find({"_id": {"$gt": after or ""}}, sort=[("_id", 1)], limit=limit + 1)
        return [(_account(row), row["created"]) for row in rows]


class SessionRepository:
    """Signed-in browsers, by the fingerprint of their cookie."""

    def __init__(self, database: Database) -> None:
        self._sessions = database.collection(SESSIONS)

    async def add(self, key: str, subject: str, expires: datetime) -> None:
        """Store a new session."""
        await self._sessions.insert({"_id": key, "subject": subject, "expires": expires})

    async def subject_of(self, key: str, now: datetime) -> str | None:
        """Whose session it is, unless it ended."""
        row = await self._sessions.find_one({"_id": key, "expires": {"$gt": now}})
        return str(row["subject"]) if row else None

    async def remove(self, key: str) -> None:
        """End a session."""
        await self._sessions.delete({"_id": key})


class FailureRepository:
    """Wrong passwords in a row, for names that exist and names that do not."""

    def __init__(self, database: Database) -> None:
        self._failures = database.collection(FAILURES)

    async def blocked_until(self, key: str) -> datetime | None:
        """Until when a name is blocked (a past moment: not any more); None without a failure on record."""
        row = await self._failures.find_one({"_id": key})
        blocked: datetime | None = row["blocked_until"] if row else None
        return blocked

    async def count(self, key: str, now: datetime, expires: datetime) -> int:
        """Count one more failure; how many there are now."""
        update = {"$inc": {"failures": 1}, "$set": {"expires": expires}, "$setOnInsert": {"blocked_until": now}}
        row: Document | None = await self._failures.change({"_id": key}, update, upsert=True)
        return int(row["failures"]) if row else 1

    async def block(self, key: str, until: datetime) -> None:
        """Block a name for a while."""
        await self._failures.update({"_id": key}, {"$set": {"blocked_until": until}})

    async def forget(self, key: str) -> None:
        """The right password was given."""
        await self._failures.delete({"_id": key})


def _account(row: Document) -> Account:
    return Account(
        subject=row["_id"],
        username=row["username"],
        display_name=row["display_name"],
        language=row["language"],
        roles=frozenset(row["roles"]),
        password_hash=row["password_hash"],
        organisation_id=row["organisation_id"],
    )
