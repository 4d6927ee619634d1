"""Rules of the house that import-linter cannot say, because pages are scripts and packages have two names."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "pages").glob("*.py"))
OURS = {"app", "bench", "etl", "pages", "tests", "ui"}
# Streamlit's own server, which app.py stands on: Streamlit says which versions it works with.
PART_OF = {"anyio": "streamlit", "starlette": "streamlit", "uvicorn": "streamlit"}


def imported(source: str) -> set[str]:
    """Full names of all modules that a script may load, also from inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def pages_in(source: str) -> set[str]:
    """Other pages that a page takes something from, in whatever way."""
    stems = {page.stem for page in PAGES}
    return {
        name
        for name in imported(source)
        if name.startswith(".") or name.partition(".")[0] in stems | {"pages"}
    }


@pytest.mark.parametrize(
    "line",
    [
        "import pages.overview",
        "from pages import overview",
        "from pages.overview import x",
        "from . import runs",
    ],
)
def test_an_import_of_a_page_is_noticed(line: str) -> None:
    assert pages_in(f"def draw():\n    {line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_no_page(page: Path) -> None:
    assert not pages_in(page.read_text("utf-8"))


def requirement_names(file: str) -> set[str]:
    """What a requirements file pins, by its normal name."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    found = (re.match(r"[A-Za-z0-9._-]+(?=[\[=])", line) for line in lines)
    return {normal(match.group()) for match in found if match}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_the_product_imports_is_pinned_by_hand() -> None:
    shipped = [
        ROOT / "app.py",
        *(path for folder in ("etl", "ui", "pages") for path in (ROOT / folder).rglob("*.py")),
    ]
    roots = {
        name.partition(".")[0]
        for path in shipped
        if path.exists()
        for name in imported(path.read_text("utf-8"))
    }
    distributions = packages_distributions()
    foreign = {name for name in roots if name} - sys.stdlib_module_names - OURS
    pinned = requirement_names("requirements.txt")
    unpinned = {
        name
        for name in foreign
        if PART_OF.get(name) not in pinned
        and not {normal(d) for d in distributions.get(name, [name])} & pinned
    }
    assert not unpinned, f"imported, but not named in requirements.txt: {', '.join(sorted(unpinned))}"


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_exactly_and_says_why(file: str) -> None:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    requirements = [line for line in lines if re.match(r"[A-Za-z0-9]", line)]
    assert requirements
    loose = [
        line for line in requirements if not re.fullmatch(r"[A-Za-z0-9._\-\[\]]+==[\w.]+ +# .{8,}", line)
    ]
    assert not loose


def test_developers_get_the_very_versions_that_users_get() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9].*?==\S+", (ROOT / file).read_text("utf-8"), flags=re.MULTILINE))

    assert pins("requirements.lock")
    assert pins("requirements.lock") <= pins("requirements-dev.lock")
