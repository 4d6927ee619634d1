"""The properties that MetaLayer reads, one row each: name, form, meaning, example and, if few, the choices.

`docs/contract-reference.md` lists the same. What is not here is refused, so that a misspelt property is never
silently without effect.
"""

from __future__ import annotations

from typing import Final

from etl.contracts.vocabulary import Form, Property, Where

ANY, CHARACTER, FLAG, LIMIT, LIST, MAP, MAPPING, NUMBER, TEXT, TEXT_OR_TEXTS, TEXTS, WHOLE = (
    Form.ANY, Form.CHARACTER, Form.FLAG, Form.LIMIT, Form.LIST, Form.MAP,
    Form.MAPPING, Form.NUMBER, Form.TEXT, Form.TEXT_OR_TEXTS, Form.TEXTS, Form.WHOLE,
)  # fmt: skip
Rows = tuple[tuple[str | Form, ...], ...]

# fmt: off
_CONTRACT: Final[Rows] = (
    ("apiVersion", TEXT, "Version of the standard.", "v3.1.0", "v3.1.0"),
    ("kind", TEXT, "Always DataContract.", "DataContract", "DataContract"),
    ("id", TEXT, "Identifies the contract among those of other systems.", "erp_sales"),
    ("version", TEXT, "Version of this contract, shown beside the source.", "1.0.0"),
    ("servers", LIST, "Where the files lie: one entry named `landing`.", "see below"),
    ("schema", LIST, "What the files hold: exactly one entry.", "see below"),
    ("slaProperties", LIST, "What the sender promises.", "see below"),
)
_SERVER: Final[Rows] = (
    ("server", TEXT, "Name; `landing` is the one that is read.", "landing"),
    ("type", TEXT, "Always local.", "local", "local"),
    (
        "path", TEXT,
        "Which files, relative to the landing folder. `*`, `?` and `[abc]` stand for characters of "
        "one name; the first folder names the ingest task.",
        "erp/erp_sales*.csv",
    ),
    ("format", TEXT, "Always csv.", "csv", "csv"),
    ("customProperties", LIST, "How the files are read.", "see below"),
)
_SCHEMA: Final[Rows] = (
    ("name", TEXT, "The source; bronze is `<name>_raw`.", "erp_sales"),
    ("physicalName", TEXT, "The silver table.", "sales_clean"),
    (
        "dataGranularityDescription", TEXT, "The grain: what one row stands for. Required.",
        "one row per sales line (sales_id), newest version",
    ),
    ("properties", LIST, "The columns.", "see below"),
    ("relationships", LIST, "Foreign keys of several columns together.", "see below"),
    ("quality", LIST, "Rules over whole rows.", "see below"),
    ("customProperties", LIST, "How tables are made from the files.", "see below"),
)
_COLUMN: Final[Rows] = (
    ("name", TEXT, "Name in every layer and, unless physicalName or an alias, in the file.", "sales_id"),
    ("physicalName", TEXT, "Name in the file's header, where it is another one.", "SalesID"),
    (
        "logicalType", TEXT, "The type in silver. Required.",
        "integer", "string", "integer", "number", "date", "timestamp", "boolean",
    ),
    ("required", FLAG, "A row without a value is quarantined.", "true"),
    ("unique", FLAG, "No value may occur twice in silver, or nothing is published.", "true"),
    ("primaryKey", FLAG, "Part of the key; silver holds one row per key.", "true"),
    ("primaryKeyPosition", WHOLE, "Place in a key of several columns.", "1"),
    ("description", TEXT, "What the column means; shown beside it.", "total of the line"),
    ("logicalTypeOptions", MAPPING, "Limits.", "{minimum: 1}"),
    ("enum", LIST, "The only values the column may have.", "see below"),
    ("relationships", LIST, "At most one foreign key.", "see below"),
    ("quality", LIST, "Rules about this column.", "see below"),
    ("customProperties", LIST, "How the text is cleaned.", "see below"),
)
_OPTIONS: Final[Rows] = (
    ("minimum", LIMIT, "Least value of an integer or number, first day of a date or timestamp.", "0"),
    ("maximum", LIMIT, "Greatest value, or last day or moment.", "2030-12-31"),
    ("exclusiveMinimum", LIMIT, "As minimum, but a value must be above it.", "0"),
    ("exclusiveMaximum", LIMIT, "As maximum, but a value must be below it.", "100"),
    ("minLength", WHOLE, "Fewest characters of a string.", "2"),
    ("maxLength", WHOLE, "Most characters of a string.", "80"),
    ("pattern", TEXT, "Regular expression for a whole string, from ^ to $ (see below).", "^[0-9]{5}$"),
    (
        "format", TEXT,
        "How a date or timestamp is written, in the standard's letters (yyyy, MM, dd, HH, mm, ss); "
        "the customProperty formats takes several.",
        "dd.MM.yyyy",
    ),
)
_RELATIONSHIP: Final[Rows] = (
    ("type", TEXT, "Always foreignKey.", "foreignKey", "foreignKey"),
    (
        "from", TEXT_OR_TEXTS,
        "In a schema only: the columns of this source whose values belong together. If one of them is "
        "blank, nothing is looked up.",
        "[erp_sales.region, erp_sales.customer_no]",
    ),
    (
        "to", TEXT_OR_TEXTS,
        "Source and key column that a value must be found in; in a schema as many as under from, "
        "together the whole key of another source.",
        "crm_customers.customer_id",
    ),
    ("customProperties", LIST, "What an unknown value does.", "see below"),
)
_ENUM: Final[Rows] = (
    ("value", ANY, "A value that is accepted.", "web"),
)
_QUALITY: Final[Rows] = (
    ("name", TEXT, "Name of a sql rule, shown as the reason.", "large_sale_without_amount"),
    (
        "type", TEXT, "`library` (default), `sql`, or `text`, which only tells people something.",
        "sql", "library", "sql", "text",
    ),
    (
        "query", TEXT,
        "type sql: counts (or selects) the rows that break the rule, from `${table}`, with a WHERE "
        "over the columns.",
        "select count(*) from ${table} where quantity > 1000 and sale_amount = 0",
    ),
    ("mustBe", WHOLE, "Always 0: no row may break the rule.", "0"),
    (
        "severity", TEXT,
        "What a row that breaks the rule causes: `warn` (or `warning`, `info`) only tells, `quarantine` "
        "(or `error`; the default) sets the row aside, `block` stops the publication.",
        "quarantine", "warn", "warning", "info", "quarantine", "error", "block",
    ),
    (
        "metric", TEXT,
        "type library, in a column: `nullValues` or `missingValues` (the column has a value, as with "
        "required), `invalidValues` (it is one of some, or has a form), `duplicateValues` (no value twice, "
        "as with unique; `block` or `warn`). In a schema `duplicateValues` alone: no two rows have the same "
        "values of several columns.",
        "invalidValues", "nullValues", "missingValues", "invalidValues", "duplicateValues",
    ),
    ("arguments", MAPPING, "type library: what is accepted, or missing.", "{validValues: [A, B]}"),
)
_ARGUMENTS: Final[Rows] = (
    (
        "validValues", TEXTS,
        "invalidValues: the only values of a string, integer, number or date (as YYYY-MM-DD).", "[A, B]",
    ),
    ("pattern", TEXT, "invalidValues: as the pattern of logicalTypeOptions.", "^[0-9]{5}$"),
    (
        "properties", TEXTS,
        "duplicateValues of a schema: the columns. Those of the key, which is the default: no two rows of one file.",
        "[order_number, line]",
    ),
    ("missingValues", LIST, "missingValues: texts that mean “no value”, as nullTokens.", '["n/a", "-"]'),
)
_SLA: Final[Rows] = (
    (
        "property", TEXT,
        "`latency` is the freshness promise; the standard's other properties are kept as "
        "documentation.",
        "latency",
    ),
    ("value", NUMBER, "How old the newest arrival may be.", "24"),
    ("unit", TEXT, "`min`, `h` or `d`.", "h"),
)
_CUSTOM: Final[Rows] = (
    ("property", TEXT, "Name of one of MetaLayer's own properties.", "decimals"),
    ("value", ANY, "Its value.", "2"),
)
_OWN_SERVER: Final[Rows] = (
    ("delimiter", CHARACTER, "Between two fields; `tab` for a tab. Default `,`.", ";"),
    ("quote", CHARACTER, 'Around a field that holds a delimiter. Default `"`.', "'"),
    ("encoding", TEXT, "How characters are written. Default utf-8.", "latin-1"),
    (
        "linesBeforeHeader", WHOLE,
        "Lines above the line with the columns' names, such as a title; counted as header. Default 0.", "3",
    ),
)
_OWN_SCHEMA: Final[Rows] = (
    ("layers", TEXT, "`bronze`: land the files and build nothing from them.", "bronze", "bronze"),
    ("bronzeName", TEXT, "Name of the bronze table. Default `<name>_raw`.", "customers_test"),
    (
        "newestBy", TEXT,
        "Column that says which version of a key is newest; blank is oldest. Default: the later file.",
        "updated_at",
    ),
    (
        "unknownColumns", TEXT,
        "A column the contract does not name: `ignore` it (default, with a note), `block` the file, or "
        "`evolve`: keep it in bronze as text (see below).",
        "block", "ignore", "block", "evolve",
    ),
)
_OWN_COLUMN: Final[Rows] = (
    ("decimals", WHOLE, "Most decimals of a number, 0 to 9; more is a broken rule. Default 2.", "2"),
    (
        "amount", TEXT,
        "The number is money in this currency (three capital letters) and takes part in the money "
        "account.",
        "USD",
    ),
    ("aliases", TEXTS, "Other names of the column in a file's header.", "[amount, total]"),
    ("trim", FLAG, "Cut blanks at both ends. Default true.", "false"),
    ("collapseSpaces", FLAG, "Make runs of blanks within a string one. Default false.", "true"),
    ("case", TEXT, "Turn a string to `upper` or `lower` case.", "upper", "upper", "lower"),
    ("nullTokens", TEXTS, "Texts that mean “no value”.", '["n/a", "-", ERROR]'),
    ("valueMap", MAP, "Texts and what they are replaced by.", "{M: Male, F: Female}"),
    (
        "formats", TEXTS,
        "How dates are written, tried in order (see below). "
        "Default YYYY-MM-DD, for a timestamp YYYY-MM-DD HH:mm:SS.",
        "[YYYY-MM-DD, DD/MM/YYYY]",
    ),
    (
        "monthNames", TEXTS,
        "The twelve months as MMM writes them, January first, several spellings parted by |. Default: "
        "English, long and short.",
        '["Jan|Januar", Feb, "Mrz|März", Apr, Mai, Jun, Jul, Aug, Sep, Okt, Nov, Dez]',
    ),
    ("decimalComma", FLAG, "The decimal sign of a number is a comma, and a point is none. Default false.", "true"),
    ("thousandsSeparator", CHARACTER, "Removed between groups of three digits; elsewhere the text is no number.", "."),
    (
        "currencySigns", TEXTS,
        "Signs of a currency or a unit, removed before and after a number or integer.", '["$", EUR, kg]',
    ),
    (
        "negatives", TEXTS,
        "How a number below zero is written beside -1, with 1 for the number.", '["(1)", "1-", 1 DR]',
    ),
    (
        "percent", FLAG,
        "A number with a percent sign is a hundredth of what it says: 12.5% is 0.125. Default false: such "
        "a text is no number.",
        "true",
    ),
    ("stripPrefix", TEXT, "Removed from the start.", "C-"),
    ("stripPattern", TEXT, "Regular expression (see below); what it matches is removed.", "[.]0$"),
)
_OWN_RELATIONSHIP: Final[Rows] = (
    (
        "severity", TEXT,
        "What an unknown value causes: `warn` only tells, `quarantine` (default) sets the row aside until "
        "its parent arrives, `block` stops the publication.",
        "warn", "warn", "quarantine", "block",
    ),
)
_GOLD: Final[Rows] = (
    ("description", TEXT, "What the analysis answers. Required.", "Revenue by region."),
    ("grain", TEXT, "What one row stands for. Required.", "one row per region"),
    ("key", TEXTS, "Columns that identify a row. Required.", "[month, region]"),
    ("columns", LIST, "Every column, in the order it is published. Required.", "see below"),
    (
        "reconcile", TEXTS, "Columns that must add up to a silver column, to the cent.",
        "total_revenue = silver.sales_clean.sale_amount",
    ),
    ("checks", LIST, "Further rules.", "see below"),
    (
        "severity", TEXT,
        "What a broken key or reconciliation does: `block` (default) stops the publication, `warn` "
        "only tells.",
        "block", "block", "warn",
    ),
)
_GOLD_COLUMN: Final[Rows] = (
    ("name", TEXT, "Name, as the SELECT gives it. Required.", "total_revenue"),
    (
        "type", TEXT,
        "The published type (decimal: NUMERIC(38, decimals), ratio: NUMERIC(38, 6)). Required.",
        "decimal", "text", "integer", "decimal", "ratio", "date", "timestamp", "boolean",
    ),
    ("decimals", WHOLE, "Decimals of a decimal, 0 to 9. Default 2.", "2"),
    ("unit", TEXT, "What is counted or the currency.", "USD"),
    ("meaning", TEXT, "What the column says. Required.", "sum of sale_amount"),
)
_GOLD_CHECK: Final[Rows] = (
    ("name", TEXT, "Name of the check. Required.", "share_between_0_and_1"),
    (
        "sql", TEXT, "Selects the rows that break the rule, from `{table}`. Required.",
        "select * from {table} where revenue_share > 1",
    ),
    ("severity", TEXT, "`block` (default) or `warn`.", "warn", "block", "warn"),
    ("description", TEXT, "The rule in words.", "A share lies between 0 and 1."),
)
# fmt: on


def _properties(where: Where, rows: Rows, *, custom: bool = False) -> tuple[Property, ...]:
    return tuple(
        Property(where, str(name), Form(form), str(meaning), str(example), custom, tuple(map(str, choices)))
        for name, form, meaning, example, *choices in rows
    )


STANDARD = (
    *_properties(Where.CONTRACT, _CONTRACT),
    *_properties(Where.SERVER, _SERVER),
    *_properties(Where.SCHEMA, _SCHEMA),
    *_properties(Where.COLUMN, _COLUMN),
    *_properties(Where.OPTIONS, _OPTIONS),
    *_properties(Where.RELATIONSHIP, _RELATIONSHIP),
    *_properties(Where.QUALITY, _QUALITY),
    *_properties(Where.ARGUMENTS, _ARGUMENTS),
    *_properties(Where.ENUM, _ENUM),
    *_properties(Where.SLA, _SLA),
    *_properties(Where.CUSTOM, _CUSTOM),
)
"""What the standard has a place for."""

CUSTOM = (
    *_properties(Where.SERVER, _OWN_SERVER, custom=True),
    *_properties(Where.SCHEMA, _OWN_SCHEMA, custom=True),
    *_properties(Where.COLUMN, _OWN_COLUMN, custom=True),
    *_properties(Where.RELATIONSHIP, _OWN_RELATIONSHIP, custom=True),
)
"""What only MetaLayer knows, in `customProperties`: how files are read, cleaned and made into tables."""

GOLD = (
    *_properties(Where.GOLD, _GOLD),
    *_properties(Where.GOLD_COLUMN, _GOLD_COLUMN),
    *_properties(Where.GOLD_CHECK, _GOLD_CHECK),
)
"""The header of a gold file."""

PROPERTIES = (*STANDARD, *CUSTOM, *GOLD)


def properties(where: Where, *, custom: bool = False) -> dict[str, Property]:
    """The properties read at one place, by name."""
    return {one.name: one for one in PROPERTIES if one.where is where and one.custom is custom}
