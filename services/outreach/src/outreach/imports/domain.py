"""Reading one row of a cluster list: what is taken, what is left out, what only a person can decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outreach.addressing.domain import (
    DoubtfulAddress,
    UnusableAddress,
    normalise_address,
    organisation_domain,
    split_addresses,
)
from outreach.csv_files.domain import REPLACEMENT, CsvRow
from outreach.directory.domain import Keys, keys_of, web_domain
from outreach.fields.domain import (
    DateReading,
    clean_text,
    country_code,
    country_of_nuts,
    escaped,
    is_formula,
    label_level,
    mentions_special_category,
    read_date,
    repair_mojibake,
    whole_number,
)

#: Columns of a cluster list and what they are here; None is read over.
COLUMNS: dict[str, str | None] = {
    **{name: name for name in ("external_id", "name", "name_en", "country", "nuts2", "sector", "members", "label")},
    **{name: name for name in ("label_awarded", "website", "contact_name", "contact_role", "contact_email")},
    **{name: name for name in ("contact_lang", "phone", "source", "notes")},
    "org_id": "external_id",
    "domain": "website",
    **dict.fromkeys(
        ("legal_form", "nuts_version", "member_types", "fte", "label_valid_until", "host_org", "languages")
    ),
}
REQUIRED = ("external_id", "name")


class Outcome(StrEnum):
    """What happens to a row. `create_…` and `reject_contact`, `reject_field` all create an entry."""

    CREATE = "create"
    CREATE_FLAG = "create_flag"
    CREATE_ESCAPE = "create_escape"
    CREATE_NO_MAIL = "create_no_mail"
    REJECT_FIELD = "reject_field"
    REJECT_CONTACT = "reject_contact"
    MERGE = "merge"
    REVIEW = "review"
    REJECT_ROW = "reject_row"


#: What the mildest problem of a new entry is called: later ones outrank earlier ones.
SEVERITY = (
    Outcome.CREATE,
    Outcome.CREATE_FLAG,
    Outcome.CREATE_ESCAPE,
    Outcome.CREATE_NO_MAIL,
    Outcome.REJECT_FIELD,
    Outcome.REJECT_CONTACT,
)


@dataclass(frozen=True)
class ListedContact:
    """Somebody a row names."""

    address: str
    name: str
    role: str
    language: str
    phone: str


@dataclass(frozen=True)
class Doubt:
    """A value that only a person can settle; it is left out until then."""

    field: str
    value: str
    reason: str


@dataclass
class ReadRow:
    """One row as far as it was understood."""

    number: int
    external_id: str
    source: str
    fields: dict[str, Any] = field(default_factory=dict)
    contacts: list[ListedContact] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    severity: Outcome = Outcome.CREATE
    refused: str | None = None
    mail_domain: str | None = None

    def note(self, reason: str, severity: Outcome = Outcome.CREATE) -> None:
        """Remember why a row is not plainly taken over."""
        self.reasons.append(reason)
        if SEVERITY.index(severity) > SEVERITY.index(self.severity):
            self.severity = severity

    def keys(self) -> Keys:
        """What identifies the organisation of this row; a formula is no name."""
        named = {name: value for name, value in self.fields.items() if not str(value).startswith("'")}
        return keys_of(named, self.mail_domain)


def read_row(raw: CsvRow, default_source: str) -> ReadRow:
    """Understand a row. A problem of one cell costs that cell, not the row."""
    cells = raw.cells
    row = ReadRow(raw.number, clean_text(cells.get("external_id", ""))[:80], default_source)
    if raw.refused is not None:
        row.refused = raw.refused
        return row
    row.source = clean_text(cells.get("source", ""))[:200] or default_source
    for name in ("name", "name_en", "sector"):
        _take_text(row, name, cells.get(name, ""))
    if not row.fields.get("name"):
        if not row.fields.get("name_en"):
            row.refused = "no_name"
            return row
        row.fields["name"] = row.fields["name_en"]
    _take_place(row, cells.get("country", ""), cells.get("nuts2", "").strip())
    _take_label(row, cells.get("label", ""), cells.get("label_awarded", ""))
    _take_members(row, cells.get("members", ""))
    _take_website(row, cells.get("website", ""))
    if phone := clean_text(cells.get("phone", "")):
        row.fields["phone"] = phone[:40]
    _take_notes(row, cells.get("notes", ""))
    _take_contacts(row, cells)
    return row


def _take_text(row: ReadRow, name: str, cell: str) -> None:
    if not cell.strip():
        return
    text = repair_mojibake(clean_text(cell))
    if REPLACEMENT in text:
        row.doubts.append(Doubt(name, text[:300], "broken_bytes"))
        if name != "name":
            return
    if is_formula(cell):
        row.note(f"formula_in_{name}", Outcome.CREATE_ESCAPE)
        text = escaped(text)
    elif "?" in text:
        row.note(f"characters_lost_in_{name}", Outcome.CREATE_FLAG)
    row.fields[name] = text[:300]


def _take_place(row: ReadRow, country: str, nuts: str) -> None:
    code, nuts_country = country_code(country), country_of_nuts(nuts)
    if country.strip() and code is None:
        row.note("country_not_understood", Outcome.CREATE_FLAG)
    if code is None:
        row.note("country_derived_from_nuts2" if nuts_country else "country_missing", Outcome.CREATE_FLAG)
        code = nuts_country
    if code is not None:
        row.fields["country"] = code
    if not nuts:
        return
    if nuts_country is None:
        row.note("nuts2_not_understood", Outcome.CREATE_FLAG)
    elif nuts_country != code:
        row.doubts.append(Doubt("nuts2", nuts, "nuts2_of_another_country"))
    else:
        row.fields["nuts2"] = nuts


def _take_label(row: ReadRow, label: str, awarded: str) -> None:
    level = label_level(label)
    if level is None:
        row.note("label_not_understood", Outcome.CREATE_FLAG)
        return
    if label.strip():
        row.fields["label"] = level
    if not awarded.strip() or level == "none":
        return
    reading, day = read_date(awarded)
    if reading is DateReading.AMBIGUOUS:
        row.doubts.append(Doubt("label_awarded", awarded.strip(), "day_or_month_first"))
    elif day is None:
        row.note("label_awarded_not_understood", Outcome.CREATE_FLAG)
    else:
        row.fields["label_awarded"] = day.isoformat()


def _take_members(row: ReadRow, cell: str) -> None:
    if not cell.strip():
        return
    members = whole_number(cell)
    if members is None:
        row.note("members_not_a_whole_number", Outcome.CREATE_FLAG)
    else:
        row.fields["members"] = members


def _take_website(row: ReadRow, cell: str) -> None:
    website = clean_text(cell)
    if not website:
        return
    if web_domain(website) is None:
        row.note("website_not_understood", Outcome.CREATE_FLAG)
    else:
        row.fields["website"] = website[:300]


def _take_notes(row: ReadRow, cell: str) -> None:
    text = clean_text(cell)
    if not text:
        return
    if mentions_special_category(text):
        row.note("notes_with_special_category_of_data", Outcome.REJECT_FIELD)
        return
    if is_formula(cell):
        row.note("formula_in_notes", Outcome.CREATE_ESCAPE)
        text = escaped(text)
    row.fields["notes"] = text


def _take_contacts(row: ReadRow, cells: Any) -> None:
    cell = cells.get("contact_email", "")
    if not cell.strip():
        return
    name = repair_mojibake(clean_text(cells.get("contact_name", "")))[:200]
    if REPLACEMENT in name:
        row.note("broken_bytes_in_contact_name")
        name = ""
    if is_formula(cells.get("contact_name", "")):
        row.note("formula_in_contact_name", Outcome.CREATE_ESCAPE)
        name = escaped(name)
    role = clean_text(cells.get("contact_role", ""))[:100]
    language = cells.get("contact_lang", "").strip().lower()[:2]
    for position, part in enumerate(split_addresses(cell)):
        try:
            address = normalise_address(part)
        except UnusableAddress:
            row.note("contact_address_unusable", Outcome.REJECT_CONTACT)
        except DoubtfulAddress:
            row.doubts.append(Doubt("contact_email", clean_text(part)[:320], "address_may_imitate_another"))
        else:
            row.mail_domain = row.mail_domain or organisation_domain(address)
            # Name and telephone belong to the first address; of the others we know only the address.
            first = position == 0
            row.contacts.append(
                ListedContact(
                    address,
                    name if first else "",
                    role if first else "",
                    language,
                    row.fields.get("phone", "") if first else "",
                )
            )
