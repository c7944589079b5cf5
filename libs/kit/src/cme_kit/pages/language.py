"""The five languages of the pages: choosing one, its texts, its dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from fastapi import Request

from cme_kit.pages.negotiation import preferred_language
from cme_kit.schemas import LANGUAGES

LANGUAGE_NAMES = {"en": "English", "sv": "Svenska", "fi": "Suomi", "lt": "Lietuvių", "de": "Deutsch"}
LANGUAGE_COOKIE = "cme_language"


def gettext_noop(text: str) -> str:
    """Mark a text that a template translates, so that it is found where it stands."""
    return text


def choose_language(request: Request) -> str:
    """`?lang=`, then the cookie, then `Accept-Language`, then English."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return preferred_language(request.headers.get("accept-language", ""), LANGUAGES) or "en"


@cache
def translations(language: str, packages: tuple[str, ...]) -> NullTranslations:
    """The texts of some packages in a language, compiled from their `locales/<language>.po`; English is the key."""
    merged: NullTranslations = NullTranslations()
    if language == "en":
        return merged
    for package in packages:
        source = files(package).joinpath("locales", f"{language}.po")
        if not source.is_file():
            continue
        compiled = BytesIO()
        write_mo(compiled, read_po(BytesIO(source.read_bytes()), locale=language))
        compiled.seek(0)
        loaded = Translations(compiled)
        loaded.add_fallback(merged)
        merged = loaded
    return merged


def localised(texts: dict[str, str], language: str) -> str:
    """A text in the language, else in English, else in whichever there is."""
    return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")


def language_of(texts: dict[str, str], language: str) -> str:
    """The language that `localised` really answers in, for a `lang` attribute."""
    candidates: Sequence[str] = (language, "en", *texts)
    return next((code for code in candidates if texts.get(code)), language)


def day(value: date, language: str) -> str:
    """A day as the language writes it, such as 1 December 2026."""
    return str(format_date(value, "long", locale=language if language != "en" else "en_GB"))


def moment(value: datetime, language: str) -> str:
    """A moment with its zone, such as 23 November 2026, 15:42:07 UTC."""
    return f"{day(value, language)}, {format_time(value, 'HH:mm:ss', locale=language)} UTC"


def month(value: date, language: str) -> str:
    """A month, such as September 2026."""
    return str(format_datetime(datetime.combine(value, datetime.min.time()), "LLLL y", locale=language))


def number(value: int, language: str) -> str:
    """A whole number as the language writes it, such as 2,000,000."""
    return str(format_decimal(value, locale=language))


def country_name(code: str, language: str) -> str:
    """A country of ISO 3166-1 by its name in the language; the code itself when it has no name."""
    return str(Locale.parse(language).territories.get(code, code))


def language_name(code: str, language: str) -> str:
    """A language by its name in the language of the page."""
    return str(Locale.parse(language).languages.get(code, code))
