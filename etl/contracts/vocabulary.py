"""The parts of a contract and of a gold header, the forms of values, and what only documents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Where(StrEnum):
    """The part of a contract (or gold header) a property belongs to, in the words of the messages."""

    CONTRACT = "a contract"
    SERVER = "a server"
    SCHEMA = "a schema"
    COLUMN = "a column"
    OPTIONS = "logicalTypeOptions"
    RELATIONSHIP = "a relationship"
    QUALITY = "a quality entry"
    ARGUMENTS = "the arguments of a quality entry"
    ENUM = "an entry of enum"
    SLA = "an slaProperty"
    CUSTOM = "a customProperty"
    GOLD = "a gold header"
    GOLD_COLUMN = "a column of a gold header"
    GOLD_CHECK = "a check of a gold header"


class Form(StrEnum):
    """The shape a value must have."""

    TEXT = "text"
    CHARACTER = "one character"
    FLAG = "true or false"
    WHOLE = "whole number"
    NUMBER = "number"
    LIMIT = "number, day or time"
    TEXTS = "list of texts"
    TEXT_OR_TEXTS = "text or list of texts"
    MAP = "mapping of texts"
    LIST = "list"
    MAPPING = "mapping"
    ANY = "any"


@dataclass(frozen=True)
class Property:
    """One property. `custom` ones stand in `customProperties`; `choices` are the only values accepted."""

    where: Where
    name: str
    form: Form
    meaning: str
    example: str
    custom: bool = False
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether a section without it is refused. The meaning says it, so that people and reader agree."""
        return self.meaning.endswith("Required.")


_ABOUT = frozenset({"id", "description", "tags", "authoritativeDefinitions", "businessName"})
DOCUMENTATION: dict[Where, frozenset[str]] = {
    Where.CONTRACT: frozenset(
        {
            "name",
            "tenant",
            "tags",
            "status",
            "description",
            "domain",
            "dataProduct",
            "support",
            "price",
            "team",
        }
        | {"roles", "authoritativeDefinitions", "contractCreatedTs"}
    ),
    Where.SERVER: frozenset({"id", "description", "environment", "roles"}),
    Where.SCHEMA: _ABOUT | {"logicalType", "physicalType", "deprecated"},
    Where.COLUMN: _ABOUT
    | {"physicalType", "classification", "criticalDataElement", "examples", "deprecated"},
    Where.RELATIONSHIP: frozenset({"id"}),
    Where.QUALITY: _ABOUT | {"dimension", "unit", "businessImpact"},
    Where.ENUM: _ABOUT | {"label", "customProperties"},
    Where.SLA: frozenset({"id", "description", "element", "driver", "valueExt"}),
    Where.CUSTOM: frozenset({"id", "description", "vendor"}),
}
"""Properties of the standard that tell people something and change nothing here."""

SLA_DOCUMENTATION = frozenset(
    {
        "availability",
        "throughput",
        "errorRate",
        "generalAvailability",
        "endOfSupport",
        "endOfLife",
        "retention",
    }
    | {"frequency", "timeOfAvailability", "timeToDetect", "timeToNotify", "timeToRepair"}
)
"""slaProperties of the standard that are kept as documentation."""


PLACES = {
    "servers": Where.SERVER,
    "schema": Where.SCHEMA,
    "properties": Where.COLUMN,
    "logicalTypeOptions": Where.OPTIONS,
    "relationships": Where.RELATIONSHIP,
    "quality": Where.QUALITY,
    "arguments": Where.ARGUMENTS,
    "enum": Where.ENUM,
    "slaProperties": Where.SLA,
    "customProperties": Where.CUSTOM,
}


def where_of(place: tuple[Any, ...]) -> Where | None:
    """What kind of section a place is; None in the parts that only document."""
    names = [step for step in place if isinstance(step, str)]
    if not names:
        return Where.CONTRACT
    return PLACES.get(names[-1]) if all(name in PLACES for name in names) else None


def place_in_words(place: tuple[Any, ...]) -> str:
    """`A column`, `The contract`: the subject of a message."""
    where = where_of(place)
    if where is None:
        return str(next((step for step in reversed(place) if isinstance(step, str)), "The contract"))
    return "The contract" if where is Where.CONTRACT else where[0].upper() + where[1:]
