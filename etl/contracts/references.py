"""Foreign keys: of one column where it stands, of several in the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from etl.contracts.document import Section, did_you_mean, shown
from etl.contracts.keys import custom_values
from etl.contracts.values import is_name
from etl.contracts.vocabulary import Where
from etl.declared import Column, ForeignKey, Kind, Reference, Severity

REFERABLE = {Kind.TEXT, Kind.INTEGER, Kind.DATE}
_HINT = "Write source.column."
_KINDS_HINT = "Use a string, an integer or a date."


def reference_of(section: Section, kind: Kind) -> Reference | None:
    """The foreign key of a column."""
    relationships = section.sections("relationships")
    if not relationships:
        return None
    if len(relationships) > 1:
        hint = "Keep one of them; one of several columns stands in the schema."
        section.refuse("A column has at most one relationship.", hint, "relationships")
    entry = relationships[0]
    targets = _texts(entry.get("to"))
    if len(targets) != 1:
        hint = "A relationship of several columns stands in the schema, with from and to."
        entry.refuse("A column refers to one column.", hint, "to")
        return None
    source, column = _parts(targets[0])
    if not (source and column):
        entry.refuse(f"{shown(targets[0])} does not name a column of a source.", _HINT, "to")
        return None
    if kind not in REFERABLE:
        entry.refuse(f"A {section.text('logicalType')} cannot refer to another source.", _KINDS_HINT)
        return None
    return Reference(source, column, _severity(entry))


def composite_references(schema: Section, source: str, columns: Sequence[Column]) -> tuple[ForeignKey, ...]:
    """The foreign keys that the schema declares; those wrong in themselves are refused."""
    found = tuple(
        key for entry in schema.sections("relationships") for key in _of_entry(entry, source, columns)
    )
    seen = {column.name for column in columns if column.reference}
    for key in found:
        together = "_".join(key.columns)
        if together in seen:
            said = ", ".join(key.columns)
            schema.refuse(f"There are two relationships of {said}.", "Keep one of them.", "relationships")
        seen.add(together)
    return found


def _of_entry(entry: Section, source: str, columns: Sequence[Column]) -> Iterator[ForeignKey]:
    own = _own_columns(entry, source, columns)
    targets = [_parts(target) for target in _texts(entry.get("to"))]
    strange = [text for text, parts in zip(_texts(entry.get("to")), targets, strict=True) if not all(parts)]
    sources = dict.fromkeys(target for target, _ in targets)
    if strange:
        entry.refuse(f"{shown(strange[0])} does not name a column of a source.", _HINT, "to")
    elif len(sources) > 1:
        said = " and ".join(sources)
        entry.refuse(f"to names columns of {said}.", "A relationship leads to one source.", "to")
    elif len(own) != len(targets) and own:
        message = f"from names {len(own)} columns and to {len(targets)}."
        entry.refuse(message, "Name them in pairs, in the same order.", "to")
    elif own and targets:
        to = tuple(column for _, column in targets)
        yield ForeignKey(tuple(own), next(iter(sources)), to, _severity(entry), entry.line())


def _own_columns(entry: Section, source: str, columns: Sequence[Column]) -> list[str]:
    """The columns under `from`, each of this source; empty where one is refused."""
    kinds = {column.name: column.kind for column in columns}
    names = []
    for written in _texts(entry.get("from")):
        before, name = _parts(written)
        if before != source:
            entry.refuse(
                f"{shown(written)} is not a column of this source.", f"Write {source}.column.", "from"
            )
        elif name not in kinds:
            hint = did_you_mean(name, [*kinds]) or f"The columns are {', '.join(kinds)}."
            entry.refuse(f"{shown(written)}: there is no column {name!r}.", hint, "from")
        elif kinds[name] not in REFERABLE:
            entry.refuse(f"A {kinds[name]} cannot refer to another source.", _KINDS_HINT, "from")
        elif name in names:
            entry.refuse(f"{name!r} is named twice.", "Keep one of them.", "from")
        else:
            names.append(name)
    return names if len(names) == len(_texts(entry.get("from"))) else []


def _severity(entry: Section) -> Severity:
    return Severity(custom_values(entry, Where.RELATIONSHIP).get("severity", Severity.QUARANTINE))


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _parts(written: str) -> tuple[str, str]:
    """Source and column of `source.column`; empty texts where it is something else."""
    source, _, column = written.partition(".")
    return (source, column) if is_name(source) and is_name(column) else ("", "")
