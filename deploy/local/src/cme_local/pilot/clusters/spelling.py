"""How the same name gets written: slugs, missing signs, transliteration, broken encodings."""

import re
import unicodedata

_WITHOUT_DECOMPOSITION = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae"})
_TRANSLITERATION = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "å": "aa",
        "Å": "Aa",
        "ø": "oe",
        "Ø": "Oe",
        "æ": "ae",
        "ß": "ss",
    }
)


def slug(text: str) -> str:
    """Lower-case ASCII with hyphens, as in a domain name."""
    plain = unicodedata.normalize("NFKD", text.translate(_WITHOUT_DECOMPOSITION)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def without_diacritics(text: str) -> str:
    """`Älvhamn` as `Alvhamn`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_WITHOUT_DECOMPOSITION))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def transliterated(text: str) -> str:
    """`Älvhamn` as `Aelvhamn`."""
    return text.translate(_TRANSLITERATION)


def mojibake(text: str) -> str:
    """UTF-8 read as Windows-1252."""
    return text.encode("utf-8").decode("cp1252", "replace")
