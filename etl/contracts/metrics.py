"""The `quality` entries that name a metric of the standard, and a column's `enum`: rules with a severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from etl.contracts.document import Section, did_you_mean, shown
from etl.contracts.keys import well_formed
from etl.contracts.limits import accepted_texts
from etl.contracts.patterns import PATTERN_HINT, PatternFault, portable_pattern
from etl.contracts.properties import properties
from etl.contracts.rules import is_library, must_be_zero, severity_of
from etl.contracts.values import texts
from etl.contracts.vocabulary import Where
from etl.declared import Column, Distinct, Kind, Severity

_RULES = {"nullValues": "present", "missingValues": "present", "duplicateValues": "unique"}
_NOTHING_SAID = (
    "The quality entry says nothing that can be checked.",
    "Write metric: nullValues, duplicateValues, or invalidValues with arguments: {validValues: […]}; "
    "or type: sql with a query.",
)


def distinct_sets(schema: Section, columns: Sequence[Column], key: tuple[str, ...]) -> tuple[Distinct, ...]:
    """What the metrics of a schema say: columns of which no two rows have the same values."""
    found = []
    for entry in schema.sections("quality"):
        if not is_library(entry):
            continue
        must_be_zero(entry)
        if entry.text("metric") != "duplicateValues":
            hint = "Set type: sql, or move the entry to a column."
            entry.refuse("A rule over whole rows is SQL, or metric: duplicateValues.", hint)
            continue
        found.append(Distinct(_listed(entry, columns) or key, _severity_of_repeats(entry)))
    return tuple(found)


def _listed(entry: Section, columns: Sequence[Column]) -> tuple[str, ...]:
    arguments, names = entry.section("arguments"), [column.name for column in columns]
    if arguments.get("properties") is None:
        return ()
    if not well_formed(arguments, "properties", properties(Where.ARGUMENTS)["properties"]):
        return ()
    listed = texts(arguments.get("properties"))
    for name in listed:
        if name not in names:
            hint = did_you_mean(name, names) or f"The columns are {', '.join(names)}."
            arguments.refuse(f"{name!r} is not a column of this contract.", hint, "properties")
    return listed


def _severity_of_repeats(entry: Section) -> Severity:
    if not entry.get("severity"):
        return Severity.BLOCK
    severity = severity_of(entry)
    if severity is Severity.QUARANTINE:
        hint = "Use block or warn; which row of a key is newest is what newestBy says."
        entry.refuse("No row can be set aside for a value that two rows have.", hint, "severity")
    return severity


@dataclass
class Metrics:
    """What the entries of one column add to it. `severities` has every rule that is named."""

    kind: Kind
    decimals: int
    severities: dict[str, Severity] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    pattern: str = ""
    missing: tuple[str, ...] = ()  # texts that mean no value

    def read(self, section: Section) -> Metrics:
        """Take up the entries of a column; what is wrong with one is refused."""
        listed = section.sections("enum")
        if listed:
            values = [one.get("value") for one in listed]
            self._accept(
                listed[0], texts(value for value in values if value is not None), Severity.QUARANTINE
            )
        for entry in section.sections("quality"):
            if is_library(entry):
                self._entry(entry)
        if section.get("primaryKey") and self.severities.get("present") is Severity.WARN:
            section.refuse(
                "A row without its key cannot be in silver, so its severity cannot be warn.",
                "Leave the severity out: such a row is quarantined.", "quality",
            )  # fmt: skip
        return self

    def _entry(self, entry: Section) -> None:
        must_be_zero(entry)
        if entry.get("query") is not None:
            entry.refuse("query has no effect on a metric.", "Leave it out, or set type: sql.", "query")
        metric, severity = entry.text("metric"), severity_of(entry)
        if metric == "invalidValues":
            self._invalid(entry, severity)
        elif metric not in _RULES:
            entry.refuse(*_NOTHING_SAID)
        else:
            own = _severity_of_repeats(entry) if metric == "duplicateValues" else severity
            self._name(entry, _RULES[metric], own)
            if metric == "missingValues":
                self.missing += self._missing(entry)

    def _name(self, entry: Section, rule: str, severity: Severity) -> None:
        if rule in self.severities:
            said = {"accepted": "The accepted values are", "form": "The pattern is"}.get(
                rule, "The metric is"
            )
            entry.refuse(f"{said} given twice.", "Keep one of them.")
        self.severities[rule] = severity

    def _missing(self, entry: Section) -> tuple[str, ...]:
        values = entry.section("arguments").get("missingValues", [])
        return texts(value for value in values if value not in {None, ""}) if isinstance(values, list) else ()

    def _invalid(self, entry: Section, severity: Severity) -> None:
        arguments = entry.section("arguments") if entry.get("arguments") else entry
        wanted, pattern = properties(Where.ARGUMENTS)["validValues"], arguments.get("pattern")
        if arguments.get("validValues") is None and pattern is None:
            entry.refuse(*_NOTHING_SAID)
        if arguments.get("validValues") is not None and well_formed(arguments, "validValues", wanted):
            self._accept(arguments, texts(arguments.get("validValues")), severity)
        if pattern is not None:
            self._form(arguments, str(pattern), severity)

    def _accept(self, entry: Section, values: Sequence[str], severity: Severity) -> None:
        self._name(entry, "accepted", severity)
        self.accepted = accepted_texts(entry, self.kind, values, self.decimals)

    def _form(self, entry: Section, pattern: str, severity: Severity) -> None:
        self._name(entry, "form", severity)
        if self.kind is not Kind.TEXT:
            entry.refuse("A pattern is for a column of type string.", "", "pattern")
            return
        try:
            self.pattern = portable_pattern(pattern, whole=True)
        except PatternFault as fault:
            entry.refuse(f"The pattern {shown(pattern)} cannot be used: {fault}.", PATTERN_HINT, "pattern")
