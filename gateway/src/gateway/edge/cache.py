"""Answers to public reads, kept in memory as far as they allow it (RFC 9111), by target and representation."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from gateway.edge.freshness import NOT_MODIFIED, Headers, Keeping, directives, is_unchanged, keeping_of

#: Bytes of all that is kept.
MOST_BYTES = 8 * 2**20
#: Representations of one target: languages, media types, and what strangers make up.
MOST_VARIANTS = 12
#: What an entry takes besides its bytes.
OVERHEAD = 1_000
#: Replaced at each answer by the cache itself.
_OWN = frozenset({b"age", b"cache-status", b"date"})
#: A 304 cannot change what the stored body is (RFC 9111 section 3.2).
_OF_THE_BODY = frozenset({b"content-length", b"content-encoding", b"content-type", b"content-range"})
Asked = dict[bytes, bytes]


@dataclass(slots=True)
class Stored:
    """One representation."""

    headers: Headers
    body: bytes
    keeping: Keeping
    #: The values of the request headers in `keeping.vary`.
    chosen_by: tuple[bytes, ...]
    since: float

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return OVERHEAD + len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


@dataclass(frozen=True, slots=True)
class Found:
    """What the cache says to a request."""

    key: bytes
    asked: Asked
    #: None when nothing fits, for `reason`: miss, vary-miss, or request.
    stored: Stored | None
    reason: str
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send."""

    status: int
    headers: Headers
    body: bytes


class Cache:
    """A bounded store; what was not asked for longest goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_bytes
        self._clock = clock
        self._places: OrderedDict[bytes, list[Stored]] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes, asked: Asked) -> Found:
        """What is kept for a target and the request headers, by their names in small letters."""
        variants = self._places.get(key)
        if not variants:
            return Found(key, asked, None, "miss")
        self._places.move_to_end(key)
        for stored in variants:
            if stored.chosen_by == _values(asked, stored.keeping.vary):
                return Found(key, asked, stored, *self._standing(stored, asked))
        return Found(key, asked, None, "vary-miss")

    def _standing(self, stored: Stored, asked: Asked) -> tuple[str, bool]:
        said = directives(asked.get(b"cache-control", b"")) or directives(asked.get(b"pragma", b""))
        age = self._age(stored)
        if b"no-cache" in said or _older_than(age, said.get(b"max-age")):
            return "request", False
        return "stale", age < stored.keeping.fresh_seconds

    def keep(self, found: Found, status: int, headers: Headers, body: bytes) -> Stored | None:
        """Keep an answer in place of what it replaces, if it may be kept."""
        if found.stored is not None:
            self._remove(found.key, found.stored)
        keeping = keeping_of(status, headers)
        if keeping is None or b"no-store" in directives(found.asked.get(b"cache-control", b"")):
            return None
        kept = [(name, value) for name, value in headers if name not in _OWN]
        stored = Stored(kept, body, keeping, _values(found.asked, keeping.vary), self._clock())
        if stored.size > self._most // 8:
            return None
        variants = self._places.setdefault(found.key, [])
        for other in [each for each in variants if each.chosen_by == stored.chosen_by]:
            self._bytes -= other.size
            variants.remove(other)
        variants.insert(0, stored)
        self._bytes += stored.size
        while len(variants) > MOST_VARIANTS:
            self._bytes -= variants.pop().size
        while self._bytes > self._most:
            _, oldest = self._places.popitem(last=False)
            self._bytes -= sum(each.size for each in oldest)
        return stored

    def freshen(self, found: Found, headers: Headers) -> Stored:
        """The service says that what is stored still holds (section 4.3.4)."""
        assert found.stored is not None
        told = {name for name, _ in headers} - _OF_THE_BODY - _OWN
        merged = [pair for pair in found.stored.headers if pair[0] not in told]
        merged += [pair for pair in headers if pair[0] in told]
        again = self.keep(found, HTTPStatus.OK, merged, found.stored.body)
        return again or Stored(merged, found.stored.body, found.stored.keeping, found.stored.chosen_by, self._clock())

    def forget(self, key: bytes) -> None:
        """A target was changed (section 4.4)."""
        for stored in self._places.pop(key, []):
            self._bytes -= stored.size

    def answer(self, stored: Stored, asked: Asked, status_note: str) -> Answer:
        """What is stored as an answer: 304 when the caller has it already."""
        age = self._age(stored)
        own = [
            (b"age", b"%d" % age),
            (b"cache-status", f"cme; {status_note}; ttl={int(stored.keeping.fresh_seconds - age)}".encode()),
        ]
        if is_unchanged(asked, stored.keeping.etag, stored.keeping.last_modified):
            return Answer(
                HTTPStatus.NOT_MODIFIED, [pair for pair in stored.headers if pair[0] in NOT_MODIFIED] + own, b""
            )
        return Answer(HTTPStatus.OK, stored.headers + own, stored.body)

    def _age(self, stored: Stored) -> float:
        return stored.keeping.age + self._clock() - stored.since

    def _remove(self, key: bytes, stored: Stored) -> None:
        variants = self._places.get(key, [])
        if stored in variants:
            variants.remove(stored)
            self._bytes -= stored.size
        if not variants:
            self._places.pop(key, None)


def conditions(stored: Stored) -> Headers:
    """Request headers that ask whether what is stored still holds (section 4.3.1)."""
    keeping = stored.keeping
    given = ((b"if-none-match", keeping.etag), (b"if-modified-since", keeping.last_modified))
    return [(name, value) for name, value in given if value is not None]


def _values(asked: Asked, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(b"".join(asked.get(name, b"").split()) for name in names)


def _older_than(age: float, most: bytes | None) -> bool:
    return most is not None and most.isdigit() and age >= float(most[:12])
