"""The documents do what they say: their commands are run, their files written, their links followed."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl import errors
from etl.cli.arguments import parse
from etl.settings import KEYS, ROOT, read_settings

README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PAGES = [README, *GUIDES]
MORE_PAGES = [
    ROOT / "docs" / f"{name}.md" for name in ("glossary", "contract-reference", "reliability", "benchmarks")
]
FENCE = re.compile(r"^```(?P<words>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
MINUTE = 60.0

# What the second word of a fence says:  ```bash test exit=1
RUN = "test"  # run here; exit=N says how it ends, exit=any that it may end either way
SERVER = "server"  # starts a server or the tests: its arguments are looked at, it is not run
POSTGRES = "postgres"  # run here, with a real database in place of DATABASE
DATABASE = "metalayer@db.example.org:5432/metalayer"
DOCKER = "docker"  # needs a container engine: not run
EXPECT = "expect"  # lines that the commands before it print, in this order; … stands for anything
SETTINGS = "settings"  # a metalayer.toml
FILE = "file="  # a file that the reader is told to write


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the marks behind it and what it holds."""

    language: str
    marks: tuple[str, ...]
    body: str

    def mark(self, start: str) -> str | None:
        """What follows `start` in the marks."""
        return next((mark.removeprefix(start) for mark in self.marks if mark.startswith(start)), None)


def blocks(page: Path) -> Iterator[Block]:
    for found in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, *marks = found["words"].split() or [""]
        yield Block(language, tuple(marks), found["body"])


def name(page: Path) -> str:
    return page.name


@dataclass(frozen=True)
class Reader:
    """Somebody who follows a document in a folder that looks like a fresh clone."""

    folder: Path

    def write(self, path: str, text: str) -> None:
        """Save a file as the document asks for."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def run(self, commands: str) -> tuple[int, str]:
        """Type commands into a shell that stops at the first that fails; exit code and all that was printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder, env=self._environment(), text=True, check=False, timeout=3 * MINUTE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _environment(self) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if not key.startswith("METALAYER_")}
        return ours | {
            "METALAYER_PROJECT": str(self.folder),
            "METALAYER_LANDING": str(self.folder / "data" / "landing"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "400",
        }


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    for folder in ("contracts", "gold"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for system in ("crm", "erp"):
        (tmp_path / "data" / "landing" / system).mkdir(parents=True)
    launcher = tmp_path / "metalayer"
    # Relative settings count from the installation; a reader's installation is the folder they stand in.
    launcher.write_text(
        '#!/bin/sh\nexport METALAYER_STATE="$(realpath -m "${METALAYER_STATE:-data/state}")"\n'
        f'exec {shlex.quote(sys.executable)} -P -m etl "$@"\n'
    )
    launcher.chmod(0o755)
    return Reader(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_document_tells_to_do_works_as_it_says(
    page: Path, reader: Reader, request: pytest.FixtureRequest
) -> None:
    printed = ""
    for block in blocks(page):
        path = block.mark(FILE)
        if path:
            reader.write(path, block.body)
        elif EXPECT in block.marks:
            assert missing(block.body, printed) is None, printed
        elif {RUN, POSTGRES} & set(block.marks):
            body = block.body
            if POSTGRES in block.marks:
                body = body.replace(DATABASE, request.getfixturevalue("postgres_url").partition("://")[2])
            code, printed = reader.run(body)
            wanted = block.mark("exit=") or "0"
            assert wanted in ("any", str(code)), f"exit {code} of\n{block.body}\n{printed}"


def missing(expected: str, printed: str) -> str | None:
    """The first expected line that is not printed after the one before it; None when all are."""
    found = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in expected.splitlines():
        wanted = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
        if not any(re.search(wanted, each) for each in found):
            return line
    return None


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_command_stands_in_a_document_without_being_run_or_excused(page: Path) -> None:
    for block in blocks(page):
        if block.language in ("bash", "sh", "shell", "console"):
            assert {RUN, POSTGRES, SERVER, DOCKER} & set(block.marks), block.body


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_server_that_is_not_started_here_is_at_least_one_that_could_be(page: Path) -> None:
    for line in (line for block in blocks(page) if SERVER in block.marks for line in block.body.splitlines()):
        launcher, *arguments = shlex.split(line, comments=True)
        assert launcher == "./metalayer"
        assert arguments == ["test"] or parse(arguments).command == "up", line


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_command_in_a_sentence_is_one_that_can_be_typed(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for typed in re.findall(r"`\./metalayer ([a-z][^`]*)`", prose):
        arguments = shlex.split(re.sub(r"\b[A-Z]\b", "1", typed))
        assert arguments[0] in ("test", "lock", "bench") or parse(arguments).command == arguments[0], typed


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_in_a_document_are_valid(page: Path, tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    for block in blocks(page):
        if SETTINGS in block.marks:
            (tmp_path / "metalayer.toml").write_text(block.body, encoding="utf-8")
            assert read_settings({}, root=tmp_path) != read_settings({}, root=ROOT)


@pytest.mark.parametrize("page", [*PAGES, *MORE_PAGES], ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (page.parent / path) if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """The headings of a page as its web view names them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"^\| `METALAYER_([A-Z_]+)`", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {key.upper() for key in KEYS}


def test_the_readme_names_every_command_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    there = set(re.findall(r"^    ([a-z]+)\b", capsys.readouterr().out, re.MULTILINE))
    rows = re.findall(r"^\| `([a-z]+)[^|]*\|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == there | {"test"}


def test_every_kind_of_failure_has_its_advice() -> None:
    kinds = {
        kind.__name__
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.MetaLayerError) and kind is not errors.MetaLayerError
    }
    advised = re.findall(
        r"^\| `(\w+)` \|",
        (ROOT / "docs" / "how-to" / "when-something-fails.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert set(advised) == kinds
