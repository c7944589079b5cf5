import re
from importlib.resources import files

import pytest
from cme_kit.pages.language import translations

PACKAGE = files("outreach")
SOURCES = [PACKAGE / "mail" / "domain.py", *(file for file in (PACKAGE / "templates").iterdir())]
SAID = {
    text for source in SOURCES for text in re.findall(r'(?:\b_|\bsay)\("([^"]+)"\)', source.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("language", ["sv", "fi", "lt", "de"])
def test_every_sentence_of_pages_and_mails_is_translated(language: str) -> None:
    catalogue = translations(language, ("outreach",))

    assert len(SAID) > 30
    untranslated = {text for text in SAID if text != "Newsletter" and catalogue.gettext(text) == text}
    assert untranslated == set()
