"""Every sentence of every page exists in all five languages, with the plural forms that the language has."""

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted(path for path in ROOT.glob("**/src/**/locales/*.po") if ".venv" not in path.parts)
PACKAGES = sorted({path.parents[1] for path in CATALOGUES})
LANGUAGES = ("sv", "fi", "lt", "de")


def messages_of(package: Path) -> set[str | tuple[str, ...]]:
    found: set[str | tuple[str, ...]] = set()
    for template in (package / "templates").glob("**/*"):
        if template.is_file():
            options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true", "silent": "false"}
            for _, message, _, _ in extract_from_file("jinja2", template, options=options):
                found.add(message)
    for module in package.glob("**/*.py"):
        for _, message, _, _ in extract_from_file("python", module, keywords={"gettext_noop": None}):
            found.add(message)
    return found


def test_there_are_pages_to_translate() -> None:
    assert {package.name for package in PACKAGES} >= {"pages", "curriculum", "credentials", "outreach", "gateway"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_sentence_is_translated(package: Path, language: str) -> None:
    with (package / "locales" / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    untranslated = []
    for message in messages_of(package):
        entry = catalogue.get(message if isinstance(message, str) else message[0])
        forms = entry.string if entry and isinstance(entry.string, tuple) else (entry.string,) if entry else ()
        expected = catalogue.num_plurals if isinstance(message, tuple) else 1
        if entry is None or entry.fuzzy or len(forms) < expected or not all(forms):
            untranslated.append(message)

    assert untranslated == []
