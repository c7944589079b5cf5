"""Invariants of the event platform: outboxes, streams, inboxes, sequences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from cme_local.check.records import Records, Stream, Subscription, matches
from cme_local.check.report import Invariant, invariant

#: A row that waits longer than this is stuck, not under way.
STUCK_AFTER = timedelta(seconds=60)
#: Outbox rows may be removed after the longest age of a stream.
OUTBOX_KEPT = timedelta(days=400)


def outbox_published(records: Records) -> Invariant:
    """Published rows against the streams."""
    rows = [row for row in records.outbox.values() if row["published"]]
    copies = Counter(message.event_id for stream in records.streams for message in stream.messages)
    ages = {subject: stream.max_age_s for stream in records.streams for subject in stream.subjects}

    def violations() -> Iterator[str]:
        for row in rows:
            found = copies[row["_id"]]
            if found > 1:
                yield f"{row['_id']}: {found} times in its stream"
            elif not found and not row["emptied"]:
                oldest = min((age for subject, age in ages.items() if matches(row["nats_subject"], subject)), default=0)
                if not oldest or records.at - row["created"] < timedelta(seconds=oldest):
                    yield f"{row['_id']}: published by {row['service']} and in no stream"

    text = "Every published outbox row is in its stream exactly once, unless emptied by an erasure or aged out"
    return invariant("outbox_published", text, len(rows), violations())


def outbox_drained(records: Records) -> Invariant:
    """Rows that nobody publishes."""
    stuck = (
        f"{row['_id']}: unpublished by {row['service']} for more than {STUCK_AFTER.total_seconds():.0f} s"
        for row in records.outbox.values()
        if not row["published"] and records.at - row["created"] > STUCK_AFTER
    )
    return invariant("outbox_drained", "No outbox row waits for long", len(records.outbox), stuck)


def stream_owned(records: Records) -> Invariant:
    """Messages against the outboxes."""

    def violations(stream: Stream) -> Iterator[str]:
        for message in stream.messages:
            if message.number > stream.known_until:
                continue
            row = records.outbox.get(message.event_id or "")
            if row is None:
                yield f"{stream.name}#{message.number}: no outbox has this message"
            elif row["nats_subject"] != message.subject:
                yield f"{message.event_id}: on {message.subject}, not on its own subject"

    found = [text for stream in records.streams for text in violations(stream)]
    checked = sum(len(stream.messages) for stream in records.streams)
    return invariant("stream_owned", "Every message of a stream is an outbox row's", checked, found)


def inbox_complete(records: Records) -> Invariant:
    """What consumers have behind them against inboxes and dead letters."""
    streams = {stream.name: stream for stream in records.streams}
    checked, found = 0, []
    for subscription in records.subscriptions:
        for place, event_id in _settled(subscription, streams[subscription.stream]):
            checked += 1
            buried = records.buried.get(subscription.service, frozenset())
            applied = event_id in records.inboxes.get(subscription.service, {})
            if not applied and not {event_id, place} & buried:
                found.append(f"{event_id or place}: neither applied nor buried by {subscription.service}")
    text = "Every event that a service subscribes to is in its inbox or among its dead letters"
    return invariant("inbox_complete", text, checked, found)


def _settled(subscription: Subscription, stream: Stream) -> Iterator[tuple[str, str | None]]:
    for message in stream.messages:
        if message.number > min(subscription.settled, stream.known_until):
            continue
        if any(matches(message.subject, subject) for subject in subscription.subjects):
            yield f"{stream.name}#{message.number}", message.event_id


def inbox_known(records: Records) -> Invariant:
    """Inbox rows against the outboxes."""
    found = [
        f"{event_id}: applied by {service}, and no outbox has this event"
        for service, rows in records.inboxes.items()
        for event_id, row in rows.items()
        if event_id not in records.outbox and records.at - row["applied_at"] < OUTBOX_KEPT
    ]
    checked = sum(len(rows) for rows in records.inboxes.values())
    return invariant("inbox_known", "Nothing was applied that nobody stated", checked, found)


def sequences(records: Records) -> Invariant:
    """The numbering of each aggregate's events."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in records.outbox.values():
        numbers[row["service"], row["aggregate"]].append(row["sequence"])
    found = [
        f"{aggregate}: its events in {service} are not numbered from 1 without gaps"
        for (service, aggregate), given in numbers.items()
        if sorted(given) != list(range(1, len(given) + 1))
    ]
    return invariant("sequences", "Each aggregate's events are numbered without gaps", len(records.outbox), found)


def stream_order(records: Records) -> Invariant:
    """The order of each aggregate's events in its stream."""
    checked, found = 0, []
    for stream in records.streams:
        lanes: dict[str, list[int]] = defaultdict(list)
        for message in stream.messages:
            row = records.outbox.get(message.event_id or "")
            # What was put back into a stream that had lost it stands behind later events.
            if row is not None and not row.get("message_id"):
                lanes[row["aggregate"]].append(row["sequence"])
                checked += 1
        found += [
            f"{aggregate}: in {stream.name} one of its events comes before an earlier one"
            for aggregate, lane in lanes.items()
            if any(later < earlier for earlier, later in pairwise(lane))
        ]
    return invariant(
        "stream_order",
        "Streams hold each aggregate's events in their order, but for those put back after a loss",
        checked,
        found,
    )


def gaps(records: Records) -> Invariant:
    """Events that were applied although an earlier one had not come."""
    subjects: dict[str, list[str]] = defaultdict(list)
    for subscription in records.subscriptions:
        subjects[subscription.service] += subscription.subjects
    lanes: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for event_id, row in records.outbox.items():
        if not row["emptied"]:
            lanes[row["service"], row["aggregate"]].append((row["sequence"], event_id, row["nats_subject"]))
    checked, found = 0, []
    for service, rows in records.inboxes.items():
        checked += len(rows)
        for event_id in [one for one, row in rows.items() if row.get("gap") and one in records.outbox]:
            event = records.outbox[event_id]
            missing = [
                earlier
                for sequence, earlier, subject in lanes[event["service"], event["aggregate"]]
                if sequence < event["sequence"]
                and any(matches(subject, filter_) for filter_ in subjects[service])
                and records.not_arrived(service, earlier)
            ]
            found += [f"{event_id}: applied by {service} without {earlier}" for earlier in missing]
    text = "An event applied before an earlier one has it applied or buried by now"
    return invariant("gaps", text, checked, found)


INVARIANTS = (
    *(outbox_published, outbox_drained, stream_owned, stream_order),
    *(inbox_complete, inbox_known, sequences, gaps),
)
