"""A contract against the JSON schema of the Open Data Contract Standard.

The models of `open-data-contract-standard` are not used: they accept a misspelt key silently, and importing
them costs 0.16 s at every start. The JSON schema beside them refuses such a key.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contracts.document import Document, did_you_mean, shown
from etl.contracts.vocabulary import Where, place_in_words, where_of
from etl.errors import Problem

if TYPE_CHECKING:
    from jsonschema import Draft201909Validator, ValidationError

_UNKNOWN_KEY = ("additionalProperties", "unevaluatedProperties")
_IN_WORDS = {
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "integer": "a whole number",
    "number": "a number",
}


@cache
def schema_text() -> str:
    """The JSON schema that the package carries, read without importing the package's models."""
    spec = find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        raise ImportError("The package open-data-contract-standard is not installed.")
    return (Path(spec.origin).parent / "schema.json").read_text(encoding="utf-8")


@cache
def _validator() -> Draft201909Validator:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(json.loads(schema_text()))


def standard_problems(document: Document) -> list[Problem]:
    """Where a contract breaks the schema; `keys` refuses misspelt names in the parts that are read."""
    found: dict[tuple[int, str], Problem] = {}
    for error in _validator().iter_errors(document.content):
        problem = _problem(document, error)
        if problem:
            found.setdefault((problem.line, problem.message), problem)
    return sorted(found.values(), key=lambda problem: problem.line)


def _problem(document: Document, error: ValidationError) -> Problem | None:
    place = tuple(error.absolute_path)
    if "then" in error.absolute_schema_path and _of_another_kind(document, place):
        return None
    if error.context and where_of(place) is None:
        from jsonschema.exceptions import best_match

        error = best_match([error]) or error
        place = tuple(error.absolute_path)
    validator, name = str(error.validator), str(place[-1]) if place else ""
    if validator in _UNKNOWN_KEY:
        return _unknown_in_documentation(document, error)
    message, hint = _explained(validator, name, error, place)
    return Problem(document.file, document.line(place), message, hint)


def _of_another_kind(document: Document, place: tuple[Any, ...]) -> bool:
    """What the schema asks of servers nobody reads, and of a column without logicalType, which it takes for one of
    every type: what is wrong there is said by `keys` and `columns`."""
    found = document.content
    for depth, step in enumerate(place, 1):
        found = found[step]
        where = where_of(place[:depth]) if isinstance(step, int) and isinstance(found, dict) else None
        if where is Where.SERVER and found.get("type") != "local":
            return True
        if where is Where.COLUMN and "logicalType" not in found:
            return True
    return False


def _explained(validator: str, name: str, error: ValidationError, place: tuple[Any, ...]) -> tuple[str, str]:
    value: Any = error.instance
    wanted: Any = error.validator_value
    if validator == "required":
        missing = [key for key in wanted if key not in value]
        where = place_in_words(place)
        return f"{where} has no {missing[0]!r}.", f"Add {missing[0]}: …"
    if validator == "type":
        hint = "Put it in quotes." if wanted == "string" else ""
        return f"{name} is {shown(value)}, but must be {_IN_WORDS.get(str(wanted), wanted)}.", hint
    if validator == "enum":
        listed = ", ".join(str(one) for one in wanted)
        return f"{shown(value)} is not a {name}.", did_you_mean(str(value), wanted) or f"It can be {listed}."
    if validator == "oneOf" and "quality" in place:
        return "A quality entry says how many rows may break it exactly once.", "Write mustBe: 0."
    if "relationships" in place and validator in {"anyOf", "oneOf"}:
        return _reference_explained(value)
    if validator == "pattern":
        return f"{shown(value)} cannot be {name!r}.", "Write source.column." if name == "to" else ""
    return f"{name or 'The contract'}: {error.message}.", ""


def _reference_explained(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return f"{shown(value)} does not name a column of a source.", "Write source.column."
    return "from and to are not alike.", "Write a list of columns under both, or one column under both."


def _unknown_in_documentation(document: Document, error: ValidationError) -> Problem | None:
    """A misspelt key in a part that nobody here reads (team, roles, support …)."""
    place = tuple(error.absolute_path)
    if where_of(place) is not None:
        return None
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    instance: Any = error.instance
    strange = [key for key in instance if key not in known and f"'{key}'" in error.message]
    if not strange:
        return None
    here = next((str(step) for step in reversed(place) if isinstance(step, str)), "the contract")
    line = document.line((*place, strange[0]))
    return Problem(
        document.file,
        line,
        f"{strange[0]!r} is not a property of {here}.",
        did_you_mean(strange[0], [*known]),
    )
