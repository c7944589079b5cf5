"""Every text of the pages speaks all five languages."""

import re
from importlib.resources import files
from io import BytesIO
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from cme_kit.pages.language import translations
from jinja2.ext import babel_extract

OPTIONS = {"newstyle_gettext": "true", "trim_blocks": "true"}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def texts_of(package: str) -> set[Any]:
    found: set[Any] = set()
    for template in files(package).joinpath("templates").iterdir():
        source = BytesIO(template.read_bytes())
        for _line, function, text, _comments in babel_extract(source, ("_", "gettext", "ngettext"), [], OPTIONS):
            parts = [text] if isinstance(text, str) else list(text)
            found.add(tuple(parts[:2]) if function == "ngettext" else parts[0])
    return found


def catalogue(package: str, language: str) -> dict[Any, Message]:
    source = files(package).joinpath("locales", f"{language}.po").read_bytes()
    return {message.id: message for message in read_po(BytesIO(source), locale=language) if message.id}


@pytest.mark.parametrize("language", ["sv", "fi", "lt", "de"])
def test_every_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    texts = texts_of("curriculum")

    assert len(texts) > 50
    assert set(catalogue("curriculum", language)) == texts


@pytest.mark.parametrize("language", ["sv", "fi", "lt", "de"])
def test_every_translation_keeps_its_placeholders(language: str) -> None:
    for message in catalogue("curriculum", language).values():
        one = message.id if isinstance(message.id, str) else message.id[0]
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        for string in strings:
            assert set(PLACEHOLDER.findall(string)) == set(PLACEHOLDER.findall(one)), message.id


@pytest.mark.parametrize(("count", "text"), [(1, "1 vieta"), (2, "2 vietos"), (11, "11 vietų"), (21, "21 vieta")])
def test_lithuanian_counts_seats_in_three_forms(count: int, text: str) -> None:
    found = translations("lt", ("cme_kit.pages", "curriculum")).ngettext("%(num)s seat", "%(num)s seats", count)

    assert found % {"num": count} == text
