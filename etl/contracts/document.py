"""YAML with the line of every key: what contracts and the headers of gold files are read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, ClassVar

import yaml

from etl.errors import Problem

Place = tuple[str | int, ...]
"""The way from the top of a document to a value: `("schema", 0, "properties", 2, "name")`."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # Any: the C loader is there only where libyaml is
    """Plain scalars as YAML 1.2 reads them: `NO` is text, not false; `010` and `2026-01-31` are text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(~|null|NULL|Null|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(0|[1-9][0-9]*)$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?[0-9]+\.[0-9]+$"), list("-0123456789")
)

SHOWN_LENGTH = 60
_SCALARS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": Decimal,
    "bool": lambda text: text == "true",
    "null": lambda _: None,
}


@dataclass(frozen=True)
class Document:
    """What a YAML file says. `lines` holds the line of each key and of each item of a list."""

    file: str
    content: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one above it that has a line."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


@dataclass
class _Reading:
    """Turns nodes into values, noting lines and problems on the way."""

    file: str
    offset: int
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, place: Place) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _SCALARS.get(node.tag.rsplit(":", 1)[-1], str)(node.value)
        if id(node) in self.open_nodes:
            self.refuse(node, "A value refers to itself.", "Write it out instead of using an alias.")
            return None
        self.open_nodes.add(id(node))
        read = self.mapping(node, place) if isinstance(node, yaml.MappingNode) else self.items(node, place)
        self.open_nodes.discard(id(node))
        return read

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.refuse(
                    key, "A key is a list or a mapping.", "If it was meant as text, put it in quotes."
                )
                continue
            if key.value in read:
                first = self.lines[(*place, key.value)]
                self.refuse(key, f"{key.value!r} is given twice, first on line {first}.", "Keep one of them.")
            self.lines[(*place, key.value)] = self.line(key)
            read[key.value] = self.value(value, (*place, key.value))
        return read

    def items(self, node: yaml.Node, place: Place) -> list[Any]:
        for index, item in enumerate(node.value):
            self.lines[(*place, index)] = self.line(item)
        return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]

    def line(self, node: yaml.Node) -> int:
        return int(node.start_mark.line) + self.offset

    def refuse(self, node: yaml.Node, message: str, hint: str) -> None:
        self.problems.append(Problem(self.file, self.line(node), message, hint))


def read_yaml(text: str, file: str, first_line: int = 1) -> tuple[Document | None, list[Problem]]:
    """The document and what is wrong with it as YAML. `first_line` is where `text` begins in `file`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as fault:
        return None, [_syntax_problem(fault, file, first_line)]
    if not isinstance(node, yaml.MappingNode):
        return None, [
            Problem(file, first_line, "There are no keys in it.", "Begin with lines of `key: value`.")
        ]
    reading = _Reading(file, first_line)
    content = reading.value(node, ())
    return Document(file, content, reading.lines), reading.problems


def _syntax_problem(fault: yaml.YAMLError, file: str, first_line: int) -> Problem:
    mark = getattr(fault, "problem_mark", None)
    said = getattr(fault, "problem", None) or str(fault)
    line = first_line + (mark.line if mark else 0)
    return Problem(file, line, f"This is not YAML: {said}.", "Put text that holds : # { [ or , in quotes.")


def did_you_mean(word: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """`Did you mean 'required'?`, or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def shown(value: object) -> str:
    """A value as a message shows it, cut where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, dict | list):
        text = "a mapping" if isinstance(value, dict) else "a list"
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


@dataclass(frozen=True)
class Section:
    """One mapping of a document, with the list that collects problems. Reads never raise."""

    document: Document
    place: Place
    problems: list[Problem]

    @property
    def value(self) -> Mapping[str, Any]:
        """The mapping itself; empty where something else stands."""
        found: Any = self.document.content
        for step in self.place:
            if isinstance(found, dict) and step not in found:
                return {}
            found = found[step]
        return found if isinstance(found, dict) else {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; an empty one counts as not given."""
        found = self.value.get(key)
        return default if found is None else found

    def text(self, key: str) -> str:
        """The value of a key as one line of text; empty when not given."""
        return " ".join(str(self.get(key, "")).split())

    def line(self, key: str = "") -> int:
        """The line of a key, or of the section."""
        return self.document.line((*self.place, key) if key else self.place)

    def refuse(self, message: str, hint: str = "", key: str = "") -> None:
        """Note a problem at a key, or at the section."""
        self.problems.append(Problem(self.document.file, self.line(key), message, hint))

    def section(self, key: str) -> Section:
        """The mapping under a key."""
        return Section(self.document, (*self.place, key), self.problems)

    def sections(self, key: str) -> list[Section]:
        """The mappings in the list under a key; none when there is no such list."""
        items = self.get(key, [])
        count = len(items) if isinstance(items, list) else 0
        return [Section(self.document, (*self.place, key, i), self.problems) for i in range(count)]
