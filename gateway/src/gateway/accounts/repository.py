"""Accounts, signed-in sessions and failed sign-ins."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.accounts.domain import Account, BrowserSession, Method, Visit

ACCOUNTS = "accounts"
SESSIONS = "browser_sessions"
FAILURES = "failed_sign_ins"
INDEXES = (
    Index(ACCOUNTS, ("username",), unique=True),
    Index(SESSIONS, ("expires",), expire_seconds=0),
    Index(SESSIONS, ("subject", "-auth_time")),
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
            "organisation_name": account.organisation_name,
            "created": created,
        }
        await self._accounts.insert(row, session=session)

    async def find(self, subject: str, session: Session | None = None) -> Account | None:
        """The account of a person."""
        row = await self._accounts.find_one({"_id": subject}, session)
        return _account(row) if row else None

    async def named(self, username: str) -> Account | None:
        """The account with a normalised username."""
        row = await self._accounts.find_one({"username": username})
        return _account(row) if row else None

    async def describe(self, subject: str, display_name: str, language: str) -> None:
        """Change the name and the language of a person."""
        await self._accounts.update({"_id": subject}, {"$set": {"display_name": display_name, "language": language}})

    async def set_password(self, subject: str, password_hash: str, session: Session) -> None:
        """Store another password."""
        await self._accounts.update({"_id": subject}, {"$set": {"password_hash": password_hash}}, session=session)

    async def give_roles(
        self, subject: str, roles: frozenset[str], organisation_id: str | None, session: Session
    ) -> tuple[Account, datetime] | None:
        """Replace roles and organisation; the account afterwards and when it was made, or None."""
        change = {"$set": {"roles": sorted(roles), "organisation_id": organisation_id}}
        row = await self._accounts.change({"_id": subject}, change, session=session)
        return (_account(row), row["created"]) if row else None

    async def remove(self, subject: str, session: Session) -> None:
        """Remove an account."""
        await self._accounts.delete({"_id": subject}, session)

    async def page(self, after: str | None, limit: int) -> list[tuple[Account, datetime]]:
        """Accounts in the order they were made, after a cursor, one more than `limit`."""
        rows = await self._accounts.find({"_id": {"$gt": after or ""}}, sort=[("_id", 1)], limit=limit + 1)
        return [(_account(row), row["created"]) for row in rows]


class SessionRepository:
    """Signed-in browsers, by the fingerprint of their cookie."""

    def __init__(self, database: Database) -> None:
        self._sessions = database.collection(SESSIONS)

    async def add(self, session: BrowserSession, expires: datetime) -> None:
        """Store a new session."""
        row = {**vars(session), "_id": session.key, "visit": vars(session.visit), "expires": expires}
        del row["key"]
        await self._sessions.insert(row)

    async def find(self, key: str, now: datetime) -> BrowserSession | None:
        """A session that has not ended."""
        row = await self._sessions.find_one({"_id": key, "expires": {"$gt": now}})
        return _session(row) if row else None

    async def seen(self, key: str, now: datetime, expires: datetime) -> None:
        """Note that a session is used; one that was ended meanwhile stays ended."""
        await self._sessions.update({"_id": key}, {"$set": {"last_seen": now, "expires": expires}})

    async def of(self, subject: str, now: datetime) -> list[BrowserSession]:
        """A person's sessions that have not ended, the newest first."""
        rows = await self._sessions.find({"subject": subject, "expires": {"$gt": now}}, sort=[("auth_time", -1)])
        return [_session(row) for row in rows]

    async def remove(self, key: str) -> None:
        """End a session."""
        await self._sessions.delete({"_id": key})

    async def end(self, subject: str, key: str) -> bool:
        """End a session of a person; whether there was one."""
        return await self._sessions.delete({"_id": key, "subject": subject}) == 1

    async def end_all(self, subject: str, except_key: str | None, session: Session | None) -> int:
        """End a person's sessions, all or all but one; how many there were."""
        others = {"_id": {"$ne": except_key}} if except_key else {}
        return await self._sessions.delete({"subject": subject, **others}, session)


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
        """Block a name for a while; of two at once the longer one counts."""
        await self._failures.update({"_id": key}, {"$max": {"blocked_until": until}})

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
        organisation_name=row.get("organisation_name"),
    )


def _session(row: Document) -> BrowserSession:
    fields = {key: value for key, value in row.items() if key not in ("_id", "expires")}
    return BrowserSession(
        **{**fields, "key": row["_id"], "method": Method(row["method"]), "visit": Visit(**row["visit"])}
    )
