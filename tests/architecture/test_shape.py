"""The house has one shape: reading one service is reading five."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("enrolment", "curriculum", "assessment", "credentials", "outreach")
FEATURE_FILES = {"__init__.py", "router.py", "service.py", "repository.py", "schemas.py", "domain.py"}
LAYERS = ("domain", "schemas", "repository", "service", "router")
MEMBERS = ("contracts", "libs/cli", "libs/kit", *(f"services/{name}" for name in SERVICES), "gateway", "deploy/local")


def python_files() -> list[Path]:
    return [file for member in MEMBERS for file in sorted((ROOT / member / "src").rglob("*.py"))]


def imports_of(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            found += [name.name for name in node.names]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_common_files(service: str) -> None:
    package = ROOT / "services" / service / "src" / service

    for name in ("app.py", "settings.py", "subscriptions.py", "__main__.py"):
        assert (package / name).is_file(), f"{package / name} is missing"
    assert (ROOT / "services" / service / "README.md").is_file()
    for kind in ("unit", "integration"):
        assert list((ROOT / "services" / service / "tests" / kind).glob("test_*.py")), f"{service} has no {kind} tests"


@pytest.mark.parametrize("service", SERVICES)
def test_only_repositories_touch_collections(service: str) -> None:
    package = ROOT / "services" / service / "src" / service

    for file in package.rglob("*.py"):
        if "repository" not in file.stem and file.name != "app.py":
            assert "cme_kit.mongo.Database" not in imports_of(file), (
                f"{file.relative_to(ROOT)} reaches for the database"
            )
            assert "cme_kit.mongo.Collection" not in imports_of(file), (
                f"{file.relative_to(ROOT)} reaches for a collection"
            )


def layer_of(stem: str) -> int | None:
    return next((rank for rank, layer in enumerate(LAYERS) if stem == layer or stem.endswith(f"_{layer}")), None)


@pytest.mark.parametrize("service", SERVICES)
def test_layers_point_downwards(service: str) -> None:
    """app > router > service > repository > domain, in a feature and across features."""
    package = ROOT / "services" / service / "src" / service

    for file in package.rglob("*.py"):
        own = layer_of(file.stem)
        if own is None:
            continue
        for imported in imports_of(file):
            parts = imported.split(".")
            if parts[0] != service:
                continue
            assert parts[-1] != "app", f"{file.relative_to(ROOT)} imports the composition root"
            ranks = [rank for part in parts[1:] if (rank := layer_of(part)) is not None]
            for rank in ranks:
                assert rank <= own, f"{file.relative_to(ROOT)} ({LAYERS[own]}) imports {imported} ({LAYERS[rank]})"


def test_every_repository_declares_its_indexes() -> None:
    for service in SERVICES:
        for file in (ROOT / "services" / service / "src").rglob("*repository.py"):
            assert "INDEXES" in file.read_text(), f"{file.relative_to(ROOT)} declares no INDEXES"


def test_files_hold_one_idea() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in python_files()
        if (count := len(file.read_text().splitlines())) > 320
    }

    assert long == {}


def test_the_kit_knows_no_word_of_the_domain() -> None:
    words = {"learner", "badge", "cluster", "ecvet", "programme", "campaign", "credential"}

    for file in (ROOT / "libs/kit/src").rglob("*.py"):
        names = {node.id.lower() for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not {name for name in names for word in words if word in name}, file


def test_the_tree_speaks_of_itself_alone() -> None:
    """Nothing names a path of somebody's machine or a folder beside the project."""
    for file in [*python_files(), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = file.read_text()
        assert "../shared" not in text, file
        assert "/root/" not in text, file
