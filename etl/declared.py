"""What contracts and gold files declare: columns, rules, tables and their checks. Frozen, no input or output."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum


class Layer(StrEnum):
    """Bronze: as received, text. Silver: typed, valid, one row per key. Gold: analyses."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Severity(StrEnum):
    """What a broken rule does: only tell, set the row aside, or stop the publication."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    BLOCK = "block"


class Kind(StrEnum):
    """The types a column can have in silver and gold."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    RATIO = "ratio"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Cleaning:
    """How the text of one column is made comparable before it is cast. Applied in the order of the fields.

    `negatives` shows how a number below zero is written, with the digit 1 for the number: "(1)", "1-". With `percent`
    a number that ends in % is a hundredth of what it says. `month_names` has the spellings of each month, January
    first; none for English.
    """

    trim: bool = True
    collapse_spaces: bool = False
    null_tokens: tuple[str, ...] = ()
    strip_prefix: str = ""
    strip_pattern: str = ""
    case: str = ""  # "upper", "lower" or ""
    value_map: tuple[tuple[str, str], ...] = ()
    decimal_comma: bool = False
    thousands_separator: str = ""
    currency_signs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("YYYY-MM-DD",)
    negatives: tuple[str, ...] = ()
    percent: bool = False  # a number that ends in % is a hundredth of what it says
    month_names: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Reference:
    """A foreign key: every value must be present in `source`'s silver table under `column`."""

    source: str
    column: str
    severity: Severity = Severity.QUARANTINE


@dataclass(frozen=True)
class ForeignKey:
    """Columns whose values must together be present in `source`'s silver table under `to`, unless one is blank."""

    columns: tuple[str, ...]
    source: str
    to: tuple[str, ...]
    severity: Severity = Severity.QUARANTINE
    line: int = 0


@dataclass(frozen=True)
class Column:
    """One column of a source. `decimals` is the most a decimal may carry; `amount` names its currency.

    `earliest` and `latest` bound a date (by midnight) or a timestamp, as `minimum` and `maximum` bound a number.
    `accepted` holds texts, also of numbers and days. `severities` says what a broken rule does, for the rules
    "present", "accepted", "form" and "unique", where it is not what they do by themselves.
    """

    name: str
    kind: Kind
    line: int
    required: bool = False
    unique: bool = False
    decimals: int = 2
    description: str = ""
    amount: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    accepted: tuple[str, ...] = ()
    reference: Reference | None = None
    aliases: tuple[str, ...] = ()
    cleaning: Cleaning = field(default_factory=Cleaning)
    earliest: datetime | None = None
    latest: datetime | None = None
    severities: tuple[tuple[str, Severity], ...] = ()

    def severity(self, rule: str) -> Severity:
        """What a row that breaks the rule causes. A repeated value cannot be set aside: it blocks."""
        own = Severity.BLOCK if rule == "unique" else Severity.QUARANTINE
        return dict(self.severities).get(rule, own)


@dataclass(frozen=True)
class Distinct:
    """Columns of which no two rows have the same values; for the columns of the key: no two rows of one file."""

    columns: tuple[str, ...]
    severity: Severity = Severity.BLOCK


@dataclass(frozen=True)
class Rule:
    """A rule over whole rows: an SQL condition over the typed columns that is true for a row that breaks it."""

    name: str
    broken_when: str
    severity: Severity
    line: int


@dataclass(frozen=True)
class Dialect:
    """How a source's files are taken apart."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    lines_before_header: int = 0


@dataclass(frozen=True)
class Contract:
    """What a source's files are, mean and must satisfy. A bronze-only feed has `silver_table` None."""

    source: str
    version: str
    file: str
    pattern: str  # glob relative to the landing folder
    dialect: Dialect
    bronze_table: str
    silver_table: str | None
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    newest_by: str | None
    fresh_within: timedelta | None
    unknown_columns: str  # "ignore", "block" or "evolve"
    rules: tuple[Rule, ...]
    fingerprint: str
    composite_references: tuple[ForeignKey, ...] = ()  # those of several columns
    distinct: tuple[Distinct, ...] = ()

    @property
    def references(self) -> tuple[ForeignKey, ...]:
        """The foreign keys that set a row aside until its parent arrives, in the order of `foreign_keys`."""
        return tuple(key for key in self.foreign_keys if key.severity is Severity.QUARANTINE)

    @property
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """Every foreign key: those of one column in the order of the columns, then the composite ones."""
        single = tuple(
            ForeignKey((column.name,), to.source, (to.column,), to.severity, column.line)
            for column in self.columns
            if (to := column.reference)
        )
        return single + self.composite_references

    @property
    def system(self) -> str:
        """The landing subfolder, which names the ingest task: `crm/crm_customers*.csv` → `crm`."""
        return self.pattern.split("/", 1)[0] if "/" in self.pattern else "landing"

    def column(self, name: str) -> Column:
        """The column called `name`. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class Field:
    """One column of a table as published: its type, unit and meaning."""

    name: str
    kind: Kind
    unit: str = ""
    meaning: str = ""
    decimals: int = 2


@dataclass(frozen=True)
class Check:
    """A rule of a table. `sql` selects the rows that break it and `examined_sql` counts what it looks at;
    both name the table as `{table}`. The engine's own checks (accounts, freshness) have no `sql`.
    """

    name: str
    table: str  # qualified
    severity: Severity
    sql: str = ""
    examined_sql: str = ""
    description: str = ""
    each_row: bool = False  # whether every row breaks or keeps it on its own
    distinct: tuple[str, ...] = ()  # the columns whose values may not be shared by two rows


@dataclass(frozen=True)
class Reconcile:
    """`column` of a gold table must add up to `source_column` of the silver table it was built from."""

    column: str
    source: str  # qualified
    source_column: str


@dataclass(frozen=True)
class Table:
    """One declared table. `name` is qualified (`silver.sales_clean`); `inputs` are qualified names."""

    name: str
    layer: Layer
    grain: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    inputs: tuple[str, ...]
    fingerprint: str
    file: str
    source: str | None = None  # bronze and silver: the contract's source
    sql: str = ""  # gold: the SELECT in DuckDB's dialect
    description: str = ""
    reconcile: tuple[Reconcile, ...] = ()
    checks: tuple[Check, ...] = ()
    severity: Severity = Severity.BLOCK  # of its built-in checks: key and reconciliation

    @property
    def short(self) -> str:
        """The name without its layer."""
        return self.name.split(".", 1)[1]
