"""Single values of a contract: forms and names."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from etl.contracts.vocabulary import Form

NAME = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
MOST_DECIMALS = 9  # of a decimal, whose 18 digits leave nine before the point
NAME_LENGTH = 50  # PostgreSQL cuts names at 63; the engine adds its own endings
NAME_HINT = f"Use lower-case letters, digits and single _, a letter first, at most {NAME_LENGTH} characters."


def is_name(text: str) -> bool:
    """Whether a text can name a table or column in every warehouse without surprises."""
    return bool(NAME.match(text)) and len(text) <= NAME_LENGTH


def has_form(value: Any, form: Form) -> bool:
    """Whether a value read from YAML has the form a property asks for."""
    wanted = _FORMS.get(form)
    return wanted is None or wanted(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _says_something(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(one) for one in value)


def _is_text(value: Any) -> bool:
    """Numbers count: `str` gives back what was written, as other spellings of numbers are read as text."""
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


_FORMS: dict[Form, Callable[[Any], bool]] = {
    Form.TEXT: _says_something,
    Form.CHARACTER: lambda value: isinstance(value, str) and (len(value) == 1 or value == "tab"),
    Form.FLAG: lambda value: isinstance(value, bool),
    Form.WHOLE: lambda value: _is_number(value) and isinstance(value, int),
    Form.NUMBER: _is_number,
    Form.LIMIT: lambda value: _is_number(value) or _says_something(value),
    Form.TEXTS: _is_list_of_texts,
    Form.TEXT_OR_TEXTS: lambda value: _says_something(value) or _is_list_of_texts(value),
    Form.MAP: lambda value: isinstance(value, dict) and bool(value) and all(map(_is_text, value.values())),
    Form.LIST: lambda value: isinstance(value, list),
    Form.MAPPING: lambda value: isinstance(value, dict),
}


def texts(values: Any) -> tuple[str, ...]:
    """A list of texts as written."""
    return tuple(str(value) for value in values)
