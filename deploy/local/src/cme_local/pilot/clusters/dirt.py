"""What an officer would upload: one row per organisation and some duplicates, with deliberate dirt."""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from cme_local.pilot.clusters.spelling import mojibake, transliterated, without_diacritics
from cme_local.pilot.clusters.truth import Contact, Organisation
from cme_local.pilot.clusters.vocabulary import chance, vocabulary

COLUMNS = (
    *("external_id", "name", "name_en", "country", "nuts2", "sector", "members", "label", "label_awarded", "website"),
    *("contact_name", "contact_role", "contact_email", "contact_lang", "phone", "source", "notes"),
)
_NOT_DEALT = ("no_domain", "near_miss", "same_host", "suppressed", "long_cell", "nul_byte", "extra_column")
_DUPLICATES = (
    *("exact_duplicate", "case_space", "legal_form", "no_diacritics", "translit"),
    *("typo", "english_name", "mojibake", "nfd", "no_domain"),
)
_SPECIAL_CATEGORIES = ["on sick leave until May", "union rep", "pregnant, back in autumn"]
_FIRST_SOURCES = ["eccp-export", "partner-list-SE", "partner-list-LT", "event-2021-03"]


@dataclass
class Row:
    """One row of the upload, and what a correct import makes of it."""

    cells: dict[str, str]
    org_id: str
    dirt: list[str]
    expected: str
    surplus: list[str] = field(default_factory=list)


def dirty_rows(
    dice: random.Random, organisations: list[Organisation], first_contacts: dict[str, Contact], suppressed: set[str]
) -> list[Row]:
    """First one row for each organisation, then the duplicates, then rows that must be refused."""
    rows: list[Row] = []
    dealt = 0
    dirt = vocabulary().dirt
    deal = [kind for kind, outcome in dirt.items() if outcome != "merge" and kind not in _NOT_DEALT]
    for organisation in organisations:
        contact = first_contacts[organisation.org_id]
        row = _clean(organisation, contact, len(rows) + 1, dice.choice(_FIRST_SOURCES))
        if organisation is organisations[-1]:
            row.dirt.append("near_miss")
        if organisation.host_org:
            row.dirt.append("same_host")
        if contact.email in suppressed:
            row.dirt.append("suppressed")
            row.expected = "create_no_mail"
        if chance(dice, 0.32) and not row.dirt:
            kind = deal[dealt % len(deal)]
            dealt += 1
            row.dirt.append(kind)
            row.expected = dirt[kind]
            _soil(dice, row.cells, kind, organisation, dealt)
        rows.append(row)
    for position, organisation in enumerate(dice.sample(organisations, k=max(8, len(organisations) // 4))):
        kind = _DUPLICATES[position % len(_DUPLICATES)]
        row = _clean(organisation, first_contacts[organisation.org_id], len(rows) + 1, "partner-list-FI")
        row.dirt.append(kind)
        row.expected = dirt[kind]
        _duplicate(dice, row.cells, kind, organisation, position)
        rows.append(row)
    for kind in ("long_cell", "nul_byte", "extra_column"):
        organisation = dice.choice(organisations)
        row = _clean(organisation, first_contacts[organisation.org_id], len(rows) + 1, "partner-list-DE")
        row.dirt.append(kind)
        row.expected = "reject_row"
        if kind == "long_cell":
            row.cells["notes"] = "x" * 70_000
        elif kind == "nul_byte":
            row.cells["notes"] = "nul\x00here"
        else:
            row.surplus = ["surplus", "cells"]
        rows.append(row)
    return rows


def _clean(organisation: Organisation, contact: Contact, number: int, source: str) -> Row:
    cells = {
        "external_id": f"x{number:04d}",
        "name": f"{organisation.name} {organisation.legal_form}",
        "name_en": organisation.name_en,
        "country": organisation.country,
        "nuts2": organisation.nuts2,
        "sector": organisation.sector,
        "members": str(organisation.members),
        "label": organisation.label,
        "label_awarded": organisation.label_awarded,
        "website": f"https://www.{organisation.domain}/",
        "contact_name": contact.name,
        "contact_role": contact.role,
        "contact_email": contact.email,
        "contact_lang": contact.lang,
        "phone": contact.phone,
        "source": source,
        "notes": "",
    }
    return Row(cells, organisation.org_id, [], "create")


def _soil(dice: random.Random, cells: dict[str, str], kind: str, organisation: Organisation, number: int) -> None:
    words = vocabulary()
    email, domain = cells["contact_email"], organisation.domain
    local_part = email.split("@", maxsplit=1)[0]
    bad_addresses = [f"info(at){domain}", "no-at-sign", f"a@b@{domain}", f"@{domain}", "x@localhost"]
    wrappings = [" {} ", "mailto:{}", "<{}>", "\u200b{}", "{}\u00a0", "{}."]
    foreign = [n for code, c in words.countries.items() if code != organisation.country for n in c.nuts2]
    # A choice is drawn only for the kind that is dealt: every draw moves what follows.
    changes: dict[str, Callable[[], dict[str, str]]] = {
        "missing_country": lambda: {"country": ""},
        "country_word": lambda: {"country": dice.choice(words.country_words[organisation.country])},
        "nuts_mismatch": lambda: {"nuts2": dice.choice(foreign)},
        "formula": lambda: {
            dice.choice(["name_en", "notes", "contact_name"]): words.formulas[number % len(words.formulas)]
        },
        "email_wrap": lambda: {"contact_email": dice.choice(wrappings).format(email.upper())},
        "email_two": lambda: {"contact_email": f"{email}; second.person@{domain}"},
        "email_bad": lambda: {
            "contact_email": dice.choice([*bad_addresses, f"x@{domain}\r\nBcc: victim@evil.example"])
        },
        # The letters are Cyrillic, and look the same.
        "email_homoglyph": lambda: {
            "contact_email": email.replace("a", "\u0430", 1) if "a" in local_part else f"\u0456nfo@{domain}"
        },
        "members_text": lambda: {"members": dice.choice(["≈40", "40-50", "1 200", "n/a", "-3", "12,5", "ca. 30"])},
        "label_word": lambda: {"label": dice.choice(words.label_words[organisation.label])},
        "date_ambiguous": lambda: {"label": "bronze", "label_awarded": "03/04/2021"},
        "excel_serial": lambda: {"label": "bronze", "label_awarded": "44287"},
        "special_category": lambda: {"notes": dice.choice(_SPECIAL_CATEGORIES)},
        "newline_cell": lambda: {"notes": 'met at fair\n"very interested", call back'},
    }
    cells.update(changes[kind]())


def _duplicate(
    dice: random.Random, cells: dict[str, str], kind: str, organisation: Organisation, position: int
) -> None:
    name = cells["name"]

    def typo() -> dict[str, str]:
        at = dice.randrange(2, max(3, len(organisation.name) - 2))
        swapped = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
        return {"name": swapped, "website": "", "contact_email": f"new.person@{organisation.domain}"}

    # Only a person can tell that this is the same organisation.
    stranger = f"cluster.office{position}@regional-council.example"
    english = {"name": organisation.name_en}
    changes: dict[str, Callable[[], dict[str, str]]] = {
        "exact_duplicate": dict,
        "case_space": lambda: {"name": "  " + name.upper().replace(" ", "  ") + " "},
        "legal_form": lambda: {"name": organisation.name},
        "no_diacritics": lambda: {"name": without_diacritics(name)},
        "translit": lambda: {"name": transliterated(name)},
        "typo": typo,
        "english_name": lambda: {**english, "contact_email": f"office@{organisation.domain}"},
        "mojibake": lambda: {"name": mojibake(name), "contact_name": mojibake(cells["contact_name"])},
        "nfd": lambda: {"name": unicodedata.normalize("NFD", name)},
        "no_domain": lambda: {**english, "website": "", "contact_email": stranger},
    }
    cells.update(changes[kind]())
