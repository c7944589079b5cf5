"""Single values as people write them in spreadsheets: reading, refusing, or leaving them to a person."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta
from enum import StrEnum

MAX_CELL = 4_000
MONTHS = 12
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
COUNTRY_NAMES = {
    "SE": "sweden sverige swe ruotsi svedija schweden", "FI": "finland suomi fin suomija finnland",
    "LT": "lithuania lietuva ltu litauen liettua", "DE": "germany deutschland ger deu tyskland saksa vokietija",
    "EE": "estonia eesti estland viro", "LV": "latvia latvija lettland", "PL": "poland polska polen puola",
    "DK": "denmark danmark danemark tanska", "NO": "norway norge norja norwegen", "ES": "spain espana spanien",
    "FR": "france frankrike ranska frankreich", "IT": "italy italia italien", "AT": "austria osterreich itavalta",
    "CZ": "czechia cesko tschechien", "NL": "netherlands nederland niederlande", "BE": "belgium belgie belgique",
    "IE": "ireland eire", "PT": "portugal", "HU": "hungary magyarorszag", "SK": "slovakia slovensko",
    "SI": "slovenia slovenija", "HR": "croatia hrvatska", "RO": "romania", "BG": "bulgaria", "GR": "greece hellas",
    "LU": "luxembourg", "MT": "malta", "CY": "cyprus", "IS": "iceland island", "CH": "switzerland schweiz suisse",
    "GB": "britain", "UA": "ukraine ukraina",
}  # fmt: skip
_COUNTRY_OF = {word: code for code, words in COUNTRY_NAMES.items() for word in words.split()}
#: NUTS writes Greece as EL and the United Kingdom as UK (Regulation 1059/2003).
_NUTS_COUNTRIES = {"EL": "GR", "UK": "GB"}
_LABEL_WORDS = {"bronze": "bronze", "brons": "bronze", "pronssi": "bronze", "bronz": "bronze", "silver": "silver",
                "silber": "silver", "hopea": "silver", "sidabr": "silver", "gold": "gold", "guld": "gold", "kulta": "gold",
                "auks": "gold"}  # fmt: skip
#: Words of Article 9 GDPR (health, union, belief, origin) in the five languages: such a note is not kept.
_SPECIAL = re.compile(
    r"\b(sick|illness|ill|pregnan\w*|disab\w*|union rep\w*|trade union|religio\w*|christian|muslim|jewish|sjuk\w*|gravid"
    r"|facklig\w*|fackför\w*|sairas\w*|raskaana|ammattiliit\w*|nėščia|liga|profsąjung\w*|krank\w*|schwanger\w*|gewerkschaft\w*)\b",
    re.IGNORECASE,
)
_EXCEL_EPOCH = date(1899, 12, 30)


class DateReading(StrEnum):
    """How sure a date is."""

    SURE = "sure"
    AMBIGUOUS = "ambiguous"
    NONE = "none"


def fold(text: str) -> str:
    """Lower case, without diacritics and punctuation, single spaces: what two spellings have in common."""
    plain = text.casefold()
    for sign, letters in (("ø", "o"), ("ł", "l"), ("æ", "ae"), ("đ", "d")):
        plain = plain.replace(sign, letters)
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(sign))
    return " ".join(re.sub(r"[^\w]+", " ", plain).split())


def clean_text(text: str) -> str:
    """One line of text in NFC; no control or zero-width characters."""
    visible = "".join(" " if unicodedata.category(sign) in ("Cc", "Zs", "Zl", "Zp") else sign for sign in text)
    visible = "".join(sign for sign in visible if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFC", visible).split())


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would calculate this cell when it is exported again (OWASP CSV injection)."""
    return text.startswith(FORMULA_SIGNS) or text.strip().startswith(FORMULA_SIGNS)


def escaped(text: str) -> str:
    """A cell that every spreadsheet shows as text."""
    return "'" + text if is_formula(text) else text


def country_code(text: str) -> str | None:
    """ISO 3166-1 alpha-2 of a code or a country's name in some language, or None."""
    bare = text.strip()
    if bare.upper() in COUNTRY_NAMES:
        return bare.upper()
    return _COUNTRY_OF.get(fold(bare))


def country_of_nuts(nuts: str) -> str | None:
    """The country of a NUTS-2 code, or None when it is none."""
    if not re.fullmatch(r"[A-Z]{2}[0-9A-Z]{2}", nuts):
        return None
    country = _NUTS_COUNTRIES.get(nuts[:2], nuts[:2])
    return country if country in COUNTRY_NAMES else None


def whole_number(text: str) -> int | None:
    """A count written with digits only, or None: `≈40` and `40-50` are guesses, not counts."""
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text.strip()) else None


def label_level(text: str) -> str | None:
    """bronze, silver, gold or none from a word in some language; None when it says something else."""
    plain = fold(text)
    if plain in ("", "none", "n a", "na", "no", "ingen", "ei", "nera", "kein", "keine"):
        return "none"
    levels = {level for word, level in _LABEL_WORDS.items() if word in plain}
    return levels.pop() if len(levels) == 1 else None


def read_date(text: str) -> tuple[DateReading, date | None]:
    """A date as ISO 8601, an Excel day number or day/month/year; 03/04/2021 is ambiguous and left to a person."""
    try:
        return _reading(text.strip())
    except ValueError:  # such as the 31st of February
        return DateReading.NONE, None


def _reading(bare: str) -> tuple[DateReading, date | None]:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", bare):
        return DateReading.SURE, date.fromisoformat(bare)
    if re.fullmatch(r"[34]\d{4}", bare):
        return DateReading.SURE, _EXCEL_EPOCH + timedelta(days=int(bare))
    match = re.fullmatch(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})", bare)
    if match is None:
        return DateReading.NONE, None
    first, second, year = (int(part) for part in match.groups())
    if "." in bare or first > MONTHS:  # with dots the day always comes first
        return DateReading.SURE, date(year, second, first)
    if second > MONTHS:
        return DateReading.SURE, date(year, first, second)
    return DateReading.AMBIGUOUS, None


def mentions_special_category(text: str) -> bool:
    """Whether a note says something of Article 9 GDPR about a person."""
    return _SPECIAL.search(text) is not None


def repair_mojibake(text: str) -> str:
    """UTF-8 that somebody read as Windows-1252, read back; the text itself when that makes no sense."""
    if not re.search("[ÃÅÄÂâ\u00c4-\u00c6]", text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text
