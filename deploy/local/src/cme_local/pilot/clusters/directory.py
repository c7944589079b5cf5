"""One drawn directory: truth, upload, suppression list and touchpoints, the same for the same seed."""

import csv
import io
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cme_local.pilot.clusters.dirt import COLUMNS, Row, dirty_rows
from cme_local.pilot.clusters.truth import Contact, Organisation, draw_contacts, draw_organisations
from cme_local.pilot.clusters.vocabulary import chance

MINIMUM, MAXIMUM = 40, 400
TIERS = {
    "feed_pull": "T1",
    "mail_accepted": "T1",
    "mail_opened": "T0",
    "link_clicked": "T2",
    "webinar_registered": "T2",
    "webinar_attended": "T3",
    "meeting": "T3",
    "curriculum_downloaded": "T2",
    "application_submitted": "T4",
    "partner_agreement": "T4",
}
TOUCHPOINT_COLUMNS = ("event_id", "type", "org_id", "contact_id", "at", "evidence", "actor")
_FIRST_TOUCH = datetime(2020, 9, 1, 7, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Directory:
    """What the pilot uploads, and the truth behind it."""

    organisations: list[Organisation]
    contacts: list[Contact]
    suppressed: list[str]
    rows: list[Row]
    order: list[int]
    touchpoints: list[dict[str, str]]

    def upload(self) -> str:
        """The CSV as an officer has it: the first rows shuffled, duplicates after them."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for position in self.order:
            row = self.rows[position]
            writer.writerow([*(row.cells[column] for column in COLUMNS), *row.surplus])
        return text.getvalue()


def draw_directory(seed: int, organisations: int) -> Directory:
    """Draw a directory of so many organisations (40 to 400: names come from small lists)."""
    if not MINIMUM <= organisations <= MAXIMUM:
        raise ValueError(f"A directory has {MINIMUM} to {MAXIMUM} organisations, not {organisations}.")
    dice = random.Random(seed)  # noqa: S311  (invented data, the same for the same seed)
    truth = draw_organisations(dice, organisations - 1)
    contacts = draw_contacts(dice, truth)
    suppressed = {contact.email for contact in contacts if contact.withdrawn_ts}
    suppressed |= {contact.email for contact in dice.sample(contacts, 5)}
    first_contacts: dict[str, Contact] = {}
    for contact in contacts:
        first_contacts.setdefault(contact.org_id, contact)
    rows = dirty_rows(dice, truth, first_contacts, suppressed)
    touchpoints = _touchpoints(dice, truth, contacts)
    order = list(range(len(truth)))
    dice.shuffle(order)
    # The duplicates stay behind the rows that they duplicate.
    order += range(len(truth), len(rows))
    return Directory(truth, contacts, sorted(suppressed), rows, order, touchpoints)


def _touchpoints(
    dice: random.Random, organisations: list[Organisation], contacts: list[Contact]
) -> list[dict[str, str]]:
    by_organisation: dict[str, list[Contact]] = {}
    for contact in contacts:
        by_organisation.setdefault(contact.org_id, []).append(contact)
    drawn: list[dict[str, str]] = []
    for organisation in organisations:
        for _ in range(dice.choice([0, 1, 1, 2, 3, 4])):
            kind = dice.choices(list(TIERS), [6, 20, 14, 10, 8, 7, 4, 6, 3, 1])[0]
            contact = dice.choice(by_organisation[organisation.org_id])
            row = {
                "event_id": f"tp-{len(drawn) + 1:05d}",
                "type": kind,
                "org_id": organisation.org_id,
                "contact_id": contact.contact_id,
                "at": (_FIRST_TOUCH + timedelta(minutes=dice.randrange(0, 640_000))).isoformat(),
                "evidence": f"sha256:{dice.getrandbits(256):064x}" if TIERS[kind] in ("T3", "T4") else "",
                "actor": _actor(dice, kind),
            }
            drawn.append(row)
            if chance(dice, 0.05):
                # The same event, delivered twice.
                drawn.append(dict(row))
    for _ in range(6):
        # An organisation that nobody knows must not count.
        nobody = {"event_id": f"tp-{len(drawn) + 1:05d}", "type": "webinar_attended", "at": _FIRST_TOUCH.isoformat()}
        drawn.append({**dict.fromkeys(TOUCHPOINT_COLUMNS, ""), **nobody, "actor": "human"})
    dice.shuffle(drawn)
    return drawn


def _actor(dice: random.Random, kind: str) -> str:
    if kind == "mail_opened":
        return dice.choice(["proxy-prefetch", "human"])
    return "scanner" if kind == "link_clicked" and chance(dice, 0.3) else "human"
