"""Which keys a section may have: what is not read is refused, with the nearest known word as a hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etl.contracts.document import Section, did_you_mean, shown
from etl.contracts.properties import properties
from etl.contracts.standard import schema_text
from etl.contracts.values import has_form
from etl.contracts.vocabulary import DOCUMENTATION, PLACES, Property, Where


def sections_within(section: Section, where: Where) -> Iterator[tuple[Section, Where]]:
    """A section and every section below it that MetaLayer reads."""
    yield section, where
    known = properties(where)
    for key in section.value:
        below = PLACES.get(key)
        if below is None or key not in known:
            continue
        parts = [section.section(key)] if isinstance(section.get(key), dict) else section.sections(key)
        for part in parts:
            yield from sections_within(part, below)


def refuse_unknown_keys(section: Section) -> None:
    """Refuse what MetaLayer neither reads nor keeps as documentation, in the whole contract."""
    for part, where in sections_within(section, Where.CONTRACT):
        known, about = properties(where), DOCUMENTATION.get(where, frozenset())
        for key in part.value:
            if key not in known and key not in about:
                _refuse_unknown(part, where, key, [*known, *about])


def refuse_other_choices(section: Section) -> None:
    """Refuse values that the standard knows and MetaLayer does not, such as another kind of server."""
    for part, where in sections_within(section, Where.CONTRACT):
        for name, wanted in properties(where).items():
            if wanted.choices and part.get(name) is not None:
                well_formed(part, name, wanted)


def unknown_key_hint(section: Section, key: str, known: list[str]) -> str:
    """The nearest known word; or that a comma cut a text in two, which YAML's braces do."""
    if " " in key and section.get(key) is None:
        return "Within { }, put text that holds a comma in quotes."
    return did_you_mean(key, known)


def _refuse_unknown(section: Section, where: Where, key: str, known: list[str]) -> None:
    own = properties(where, custom=True)
    near = unknown_key_hint(section, key, [*known, *own])
    if key in own:
        near = f"Write it under customProperties: {{property: {key}, value: {own[key].example}}}."
    message = f"{key!r} is not a property of {where}."
    if not near and _in_standard(key):
        message = f"{key!r} is a property of the standard that MetaLayer does not read in {where}."
        near = "Leave it out, so that nobody relies on it."
    section.refuse(message, near, key)


def _in_standard(key: str) -> bool:
    return f'"{key}": {{' in schema_text()


def custom_values(section: Section, where: Where) -> dict[str, Any]:
    """The values of a section's `customProperties` that are known here and well formed, by name."""
    known, read = properties(where, custom=True), {}
    for entry in section.sections("customProperties"):
        name, value = entry.text("property"), entry.get("value")
        if name not in known:
            _refuse_custom(entry, where, name, known)
        elif name in read:
            entry.refuse(f"{name!r} is given twice.", "Keep one of them.", "property")
        elif well_formed(entry, "value", known[name]):
            read[name] = value
    return read


def _refuse_custom(entry: Section, where: Where, name: str, known: dict[str, Property]) -> None:
    hint = did_you_mean(name, [*known]) or (
        f"MetaLayer's own are {', '.join(known)}." if known else "MetaLayer has none of its own here."
    )
    if name in properties(where):
        hint = f"It is a property of the standard: write it beside customProperties as {name}: …"
    entry.refuse(f"{name!r} is not a customProperty of {where}.", hint, "property")


def well_formed(section: Section, key: str, wanted: Property) -> bool:
    """Whether the value under a key has the form its property asks for; refused where it has not."""
    value = section.get(key)
    if not has_form(value, wanted.form):
        section.refuse(
            f"{wanted.name} is {shown(value)}, but must be {_article(wanted)}.",
            f"For example: {wanted.example}",
            key,
        )
        return False
    if wanted.choices and value not in wanted.choices:
        hint = did_you_mean(str(value), list(wanted.choices)) or f"It can be {', '.join(wanted.choices)}."
        section.refuse(f"{shown(value)} is not a value of {wanted.name}.", hint, key)
        return False
    return True


def _article(wanted: Property) -> str:
    form = str(wanted.form)
    return form if form.startswith(("one", "true", "text")) else f"a {form}"
