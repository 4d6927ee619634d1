"""Contracts: what a good one means, and what a wrong one is told, line for line."""
# ruff: noqa: E501  # messages are quoted whole

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from etl.contracts import load_contracts, read_contract
from etl.contracts.dateforms import format_fault
from etl.contracts.document import read_yaml
from etl.contracts.globs import matches, overlap
from etl.contracts.patterns import PatternFault, portable_pattern
from etl.contracts.properties import PROPERTIES
from etl.contracts.reference import reference_tables
from etl.declared import Kind, Severity
from etl.errors import CatalogError

ROOT = Path(__file__).parents[2]

SHOP = """\
apiVersion: v3.1.0
kind: DataContract
id: shop_orders
version: 1.2.0
servers:
  - server: landing
    type: local
    path: shop/orders*.csv
    format: csv
schema:
  - name: shop_orders
    physicalName: orders_clean
    dataGranularityDescription: one row per order
    properties:
      - name: order_id
        logicalType: integer
        primaryKey: true
      - name: status
        logicalType: string
      - name: amount
        logicalType: number
slaProperties:
  - {property: latency, value: 24, unit: h}
"""
COLUMN = "      - name: status\n        logicalType: string\n"
"""Lines 18 and 19 of SHOP; what follows it is on line 20."""


@pytest.fixture
def shop(tmp_path):
    """Reads SHOP after one replacement."""

    def read(old: str = "", new: str = ""):
        assert old in SHOP
        path = tmp_path / "contracts" / "shop_orders.odcs.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SHOP.replace(old, new, 1), encoding="utf-8")
        return read_contract(path, tmp_path)

    return read


def status(text: str) -> tuple[str, str]:
    """More properties for the column `status`, from line 20 on."""
    return COLUMN, COLUMN + "".join(f"        {line}\n" for line in text.splitlines())


def amount(text: str) -> tuple[str, str]:
    """Properties for the column `amount`, from line 22 on."""
    old = "        logicalType: number\n"
    return old, old + "".join(f"        {line}\n" for line in text.splitlines())


def custom(name: str, value: str) -> str:
    return f"customProperties: [{{property: {name}, value: {value}}}]"


def order_rule(query: str, more: str = "mustBe: 0") -> tuple[str, str]:
    """A rule in SQL over whole rows, on line 14."""
    rule = f'    quality: [{{name: rule_one, type: sql, query: "{query}", {more}}}]\n'
    return "    properties:\n", rule + "    properties:\n"


def schema_custom(name: str, value: str) -> tuple[str, str]:
    """A customProperty of the schema, on line 14."""
    return "    properties:\n", f"    {custom(name, value)}\n    properties:\n"


def test_a_contract_says_what_its_source_is(shop):
    contract = shop()
    assert (contract.source, contract.version, contract.pattern) == (
        "shop_orders",
        "1.2.0",
        "shop/orders*.csv",
    )
    assert (contract.bronze_table, contract.silver_table) == ("shop_orders_raw", "orders_clean")
    assert (contract.key, contract.grain) == (("order_id",), "one row per order")
    assert contract.fresh_within == timedelta(hours=24)
    assert [column.kind for column in contract.columns] == [Kind.INTEGER, Kind.TEXT, Kind.DECIMAL]
    assert contract.file == "contracts/shop_orders.odcs.yaml"
    assert [column.line for column in contract.columns] == [15, 18, 20]


def test_cleaning_is_read_from_custom_properties(shop):
    wanted = """customProperties:
  - {property: trim, value: false}
  - {property: collapseSpaces, value: true}
  - {property: case, value: lower}
  - {property: nullTokens, value: [n/a, "-", NO, 0, 007]}
  - {property: valueMap, value: {N: new, 1: first}}
  - {property: stripPrefix, value: S-}
  - {property: stripPattern, value: '[.]0$'}
  - {property: aliases, value: [state, Order Status]}"""
    column = shop(*status(wanted)).column("status")
    how = column.cleaning
    assert (how.trim, how.collapse_spaces, how.case) == (False, True, "lower")
    assert how.null_tokens == ("n/a", "-", "NO", "0", "007")
    assert how.value_map == (("N", "new"), ("1", "first"))
    assert (how.strip_prefix, how.strip_pattern) == ("S-", "[.]0$")
    assert column.aliases == ("state", "Order Status")


def test_numbers_are_read_from_custom_properties(shop):
    wanted = """logicalTypeOptions: {minimum: 0.5, maximum: 9}
customProperties:
  - {property: decimals, value: 3}
  - {property: amount, value: EUR}
  - {property: decimalComma, value: true}
  - {property: thousandsSeparator, value: "."}
  - {property: currencySigns, value: [€]}"""
    column = shop(*amount(wanted)).column("amount")
    assert (column.minimum, column.maximum, column.decimals) == (Decimal("0.5"), Decimal(9), 3)
    assert (column.amount, column.cleaning.thousands_separator) == ("EUR", ".")
    assert (column.cleaning.decimal_comma, column.cleaning.currency_signs) == (True, ("€",))


def test_accepted_values_are_the_standards_invalid_values(shop):
    entry = "quality: [{metric: invalidValues, arguments: {validValues: [new, NO, 1]}, mustBe: 0}]"
    assert shop(*status(entry)).column("status").accepted == ("new", "NO", "1")


@pytest.mark.parametrize(
    "query", ["select count(*) from ${table} where", "SELECT * FROM {table} WHERE /* why */"]
)
def test_a_rule_in_sql_becomes_the_condition_of_its_bad_rows(shop, query):
    contract = shop(*order_rule(f"{query} amount > 100 and Status is null", "mustBe: 0, severity: warn"))
    (rule,) = contract.rules
    assert rule.broken_when == '"amount" > 100 AND "status" IS NULL'
    assert (rule.name, rule.severity, rule.line) == ("rule_one", Severity.WARN, 14)


def test_a_key_of_several_columns_is_in_the_order_of_their_positions(shop):
    text = "        primaryKey: true\n      - name: status\n        logicalType: string\n"
    keys = text.replace("true\n", "true\n        primaryKeyPosition: 2\n", 1)
    contract = shop(text, keys + "        primaryKey: true\n        primaryKeyPosition: 1\n")
    assert contract.key == ("status", "order_id")


def test_a_bronze_only_feed_has_no_silver(shop):
    old = "    physicalName: orders_clean\n"
    new = "    customProperties: [{property: layers, value: bronze}, {property: bronzeName, value: plain}]\n"
    contract = shop(old, new)
    assert (contract.silver_table, contract.bronze_table) == (None, "plain")


def test_the_path_names_the_system_and_the_server_the_dialect(shop):
    more = """    format: csv
    customProperties:
      - {property: delimiter, value: tab}
      - {property: quote, value: "'"}
      - {property: encoding, value: latin-1}
"""
    contract = shop("    format: csv\n", more)
    assert contract.system == "shop"
    assert (contract.dialect.delimiter, contract.dialect.quote) == ("\t", "'")
    assert contract.dialect.encoding == "iso8859-1"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        # The standard's schema and misspelt keys.
        (status("requird: true"), "20: 'requird' is not a property of a column. Did you mean 'required'?"),
        (("kind: DataContract", "kynd: DataContract"), "1: The contract has no 'kind'. Add kind: …"),
        (("1.2.0", "1.2"), "4: version is 1.2, but must be text. Put it in quotes."),
        (("    type: local", "    type: lokal"), "7: 'lokal' is not a type. Did you mean 'local'?"),
        (("    type: local", "    type: s3"), "7: 's3' is not a value of type. It can be local."),
        (("logicalType: string", "logicalType: strng"), "19: 'strng' is not a logicalType. Did you mean 'string'?"),
        (("logicalType: string", "logicalType: time"), "19: 'time' is not a value of logicalType. Did you mean 'timestamp'?"),
        (("        logicalType: string\n", ""), "18: The column 'status' has no logicalType. Add one of string, integer, number, date, timestamp, boolean."),
        (("v3.1.0", "v3.0.2"), "1: 'v3.0.2' is not a value of apiVersion. Did you mean 'v3.1.0'?"),
        (status("decimals: 2"), "20: 'decimals' is not a property of a column. Write it under customProperties: {property: decimals, value: 2}."),
        (status("encryptedName: x"), "20: 'encryptedName' is a property of the standard that MetaLayer does not read in a column. Leave it out, so that nobody relies on it."),
        (status(custom("required", "true")), "20: 'required' is not a customProperty of a column. It is a property of the standard: write it beside customProperties as required: …"),
        (status(custom("trimm", "true")), "20: 'trimm' is not a customProperty of a column. Did you mean 'trim'?"),
        (status(custom("trim", '"yes"')), "20: trim is 'yes', but must be true or false. For example: false"),
        (status(custom("case", "Upper")), "20: 'Upper' is not a value of case. Did you mean 'upper'?"),
        (status("required: yes"), "20: required is 'yes', but must be true or false."),
        # The server and the promise.
        (("shop/orders*.csv", "/shop/*.csv"), "8: The path '/shop/*.csv' is not a path below the landing folder. For example: crm/crm_customers*.csv"),
        (("shop/orders*.csv", "../*.csv"), "8: The path '../*.csv' may not hold . or ... For example: crm/crm_customers*.csv"),
        (("server: landing", "server: prod"), "6: 'prod' is not the server that is read. Name it landing."),
        (("format: csv", "format: json"), "9: 'json' is not a value of format. It can be csv."),
        (("latency", "latancy"), "23: 'latancy' is not an slaProperty. Did you mean 'latency'?"),
        (("unit: h", "unit: m"), "23: A latency of 24 m is not a time. For example: value: 24, unit: h (or min, d)."),
        # The schema.
        (("name: shop_orders\n", "name: Shop\n"), "11: 'Shop' cannot be the name of a source. Use lower-case letters, digits and single _, a letter first, at most 50 characters."),
        (("    physicalName: orders_clean\n", ""), "11: The schema has no physicalName. Add the name of the silver table, such as sales_clean."),
        (("    dataGranularityDescription: one row per order\n", ""), "11: The schema has no dataGranularityDescription. Say what one row stands for: one row per …"),
        (("        primaryKey: true\n", ""), "11: No column is the key. Set primaryKey: true on the column that identifies a row."),
        (("        primaryKey: true\n", "        primaryKey: true\n        required: false\n"), "18: A column of the key must have a value. Leave out required: false."),
        (schema_custom("newestBy", "updated"), "14: newestBy: there is no column 'updated'. The columns are order_id, status, amount."),
        (schema_custom("unknownColumns", "keep"), "14: 'keep' is not a value of unknownColumns. It can be ignore, block, evolve."),
        (schema_custom("layers", "bronze"), "12: A bronze-only feed has no silver, so physicalName has no effect. Leave it out, or leave out layers: bronze."),
        # A column.
        (("name: status", "name: Order Status"), "18: 'Order Status' cannot be the name of a column. Use lower-case letters, digits and single _, a letter first, at most 50 characters. What the file's header says goes into aliases."),
        (("name: status", "name: order_id"), "18: 'order_id' is already a name of the column 'order_id'. Each name and alias stands for one column."),
        (status(custom("decimals", "2")), "20: decimals is for a column of type number, but 'status' is of type string."),
        (status("logicalTypeOptions: {pattern: abc}"), "20: The pattern 'abc' cannot be used: it does not begin with ^ and end with $, so it is unclear whether it means the whole value. A pattern may hold characters, . | ( ) (?: ) [abc] [^a-z] \\d \\w \\s ? * + {2} {2,} {2,5}, and ^ $ at its ends."),
        (amount("logicalTypeOptions: {minimum: 0.125}"), "22: minimum 0.125 has more decimals than the column. Values have at most 2 decimals."),
        (amount("logicalTypeOptions: {minimum: 9, maximum: 1}"), "22: minimum 9 is above maximum 1. No value could satisfy both."),
        (amount("logicalTypeOptions: {minimum: 1e3}"), "22: minimum is '1e3', but must be a number."),
        (amount(custom("amount", "dollars")), "22: 'dollars' is not a currency. Write its three capital letters, such as USD."),
        (amount(custom("decimals", "12")), "22: decimals is 12. It can be 0 to 9."),
        (amount(custom("thousandsSeparator", '"."')), "22: '.' is part of the number itself. Set decimalComma: true too, if decimals follow a comma."),
        (("logicalType: string\n", "logicalType: date\n        " + custom("formats", "[dd.MM.YYYY]") + "\n"), "20: The format 'dd.MM.YYYY' cannot be used: 'd' is neither YYYY, YY, MMM, MM, M, DD, D, HH, H, hh, h, mm, SS, f, A, O nor a separator (- / . : , space T Z). For example: YYYY-MM-DD"),
        (status("relationships: [{to: a.b}, {to: a.c}]"), "20: A column has at most one relationship. Keep one of them; one of several columns stands in the schema."),
        (amount("relationships: [{to: other.price}]"), "22: A number cannot refer to another source. Use a string, an integer or a date."),
        # Rules.
        (status("quality: [{metric: rowCount, mustBe: 0}]"), "20: 'rowCount' is not a value of metric. It can be nullValues, missingValues, invalidValues, duplicateValues."),
        (status("quality: [{metric: invalidValues, arguments: {validValues: [a]}, mustBeLessThan: 5}]"), "20: A rule names bad rows, and there must be none. Write mustBe: 0."),
        (amount("quality: [{metric: invalidValues, arguments: {validValues: [1, 0.125]}, mustBe: 0}]"), "22: '0.125' is accepted, but is not a number with at most 2 decimals. No value could equal it."),
        (order_rule("select count(*) from ${table} where amont > 1"), "14: 'amont' is not a column of this contract. Did you mean 'amount'?"),
        (("    properties:\n", "    quality: [{name: a, type: sql, mustBe: 0}]\n    properties:\n"), "14: A quality entry has no 'query'. Add query: …"),
        (order_rule("select count(*) from sales where amount > 1"), "14: The query of a rule names the bad rows of this table and nothing else. Write: select count(*) from ${table} where <what a bad row looks like>"),
        (order_rule("select count(*) from ${table} where amount > now()"), "14: `now` is not known to mean the same in DuckDB, PostgreSQL and Spark. A result must not depend on when it was made; take the newest date of the data."),
        (order_rule("select count(*) from ${table} where sum(amount) > 1"), "14: A rule looks at one row at a time: no sum, count or window. Make it a check in gold."),
        (order_rule("select count(*) from ${table} where amount > 1", "mustBe: 0, severity: fatal"), "14: 'fatal' is not a value of severity. It can be warn, warning, info, quarantine, error, block."),
    ],
)  # fmt: skip
def test_a_wrong_contract_is_refused_with_line_and_hint(shop, edit, told):
    with pytest.raises(CatalogError) as refused:
        shop(*edit)
    messages = [str(problem) for problem in refused.value.problems]
    assert f"contracts/shop_orders.odcs.yaml:{told}" in messages


def test_a_problem_is_told_once(shop):
    with pytest.raises(CatalogError) as refused:
        shop(*status("requird: true"))
    assert len(refused.value.problems) == 1


def test_all_problems_of_all_contracts_are_told_at_once(tmp_path):
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "a.odcs.yaml").write_text(SHOP.replace("latency", "latancy"), encoding="utf-8")
    (folder / "b.odcs.yaml").write_text(SHOP.replace("name: status", "nam: status"), encoding="utf-8")
    (folder / "c.odcs.yaml").write_text("a: [1,\n", encoding="utf-8")
    (folder / "d.yml").write_text(SHOP, encoding="utf-8")
    (folder / "e.odcs.yaml").write_bytes(b"a: \xff")
    (folder / "f.odcs.yaml").write_text(SHOP, encoding="utf-8")
    contracts, problems = load_contracts(folder)
    assert [contract.file for contract in contracts] == ["contracts/f.odcs.yaml"]
    assert [(problem.file, problem.line) for problem in problems] == [
        ("contracts/a.odcs.yaml", 23),
        ("contracts/b.odcs.yaml", 18),
        ("contracts/b.odcs.yaml", 18),
        ("contracts/c.odcs.yaml", 2),
        ("contracts/d.yml", 0),
        ("contracts/e.odcs.yaml", 0),
    ]


def test_a_folder_without_contracts_is_told_so(tmp_path):
    _, problems = load_contracts(tmp_path / "contracts")
    assert str(problems[0]) == "contracts: There is no contract. Add one *.odcs.yaml file per source."


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    properties:\n", "    # a remark\n    properties:\n"),
        (
            "        logicalType: string\n",
            "        description: where the order stands\n        logicalType: string\n",
        ),
        ("unit: h", "unit: d"),
        ("{property: latency, value: 24, unit: h}", "{value: 24, unit: h, property: latency}"),
        ("one row per order", "one line per order"),
        ("version: 1.2.0", "version: 1.3.0"),
    ],
)
def test_what_changes_no_table_does_not_change_the_fingerprint(shop, old, new):
    assert shop(old, new).fingerprint == shop().fingerprint


@pytest.mark.parametrize(
    "edit",
    [
        status("required: true"),
        status(custom("case", "upper")),
        status(custom("aliases", "[state]")),
        amount("logicalTypeOptions: {minimum: 0}"),
        ("    format: csv\n", f"    format: csv\n    {custom('delimiter', ';')}\n"),
        order_rule("select count(*) from ${table} where amount > 1"),
        schema_custom("newestBy", "amount"),
    ],
)  # fmt: skip
def test_what_changes_a_table_changes_the_fingerprint(shop, edit):
    assert shop(*edit).fingerprint != shop().fingerprint


def test_the_same_rule_written_otherwise_has_the_same_fingerprint(shop):
    plain = shop(*order_rule("select count(*) from ${table} where amount > 1 and status is null"))
    other = shop(*order_rule("SELECT *  FROM {table} WHERE amount>1 AND  status IS NULL -- loose"))
    assert plain.fingerprint == other.fingerprint


# YAML ------------------------------------------------------------------------------------------------


def test_yaml_words_stay_words():
    document, problems = read_yaml("a: NO\nb: 010\nc: 2026-01-31\nd: 1.50\ne: true\nf:\n", "x.yaml")
    assert problems == []
    assert document is not None
    assert document.content == {
        "a": "NO",
        "b": "010",
        "c": "2026-01-31",
        "d": Decimal("1.50"),
        "e": True,
        "f": None,
    }


def test_a_key_given_twice_is_refused():
    _, problems = read_yaml("a: 1\nb: 2\na: 3\n", "x.yaml")
    assert [str(problem) for problem in problems] == [
        "x.yaml:3: 'a' is given twice, first on line 1. Keep one of them."
    ]


def test_a_value_that_refers_to_itself_is_refused():
    _, problems = read_yaml("a: &a\n  b: *a\n", "x.yaml")
    assert problems[0].message == "A value refers to itself."


# Patterns, formats, paths ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "spelt"),
    [
        (r"^\d{5}$", "^[0-9]{5}$"),
        (r"^[\w.]+@\S+$", "^[A-Za-z0-9_.]+@[^ \\t\\n\\r\\f]+$"),
        ("^(a|b)?c$", "^(?:a|b)?c$"),
        (r"^a.\.$", "^a[^\\n]\\.$"),
    ],
)
def test_a_pattern_is_spelt_out(pattern, spelt):
    assert portable_pattern(pattern, whole=True) == spelt


@pytest.mark.parametrize(
    "pattern",
    ["^(?=a)b$", "^(?<!a)b$", r"^(a)\1$", "^a*+$", "^a+?$", r"^\p{L}$", "^[[:alpha:]]$", "^(?i)a$", r"^\ba$", "^a|b$", "^a$b$", "^(a$", "^a)$", "^[a$", "^a{2$", "^[z-a]$", "^*a$", "^[a&&b]$", r"a\$", "^a{2}{3}$"],
)  # fmt: skip
def test_a_pattern_that_warehouses_read_differently_is_refused(pattern):
    with pytest.raises(PatternFault):
        portable_pattern(pattern, whole=True)


@pytest.mark.parametrize("form", ["YYYY-MM-DD", "DD/MM/YYYY", "D.M.YYYY", "YYYYMMDD", "MM/DD/YYYY"])
def test_date_formats_that_say_one_thing_are_taken(form):
    assert format_fault(form, with_time=False) == ""


@pytest.mark.parametrize(
    ("form", "with_time"),
    [("YYYY-MM", False), ("DMYYYY", False), ("YY-YY-DD", False), ("YYYY-MM-DD HH:mm", False), ("YYYY-MM-DD", True), ("YYYY-MM-DD-DD", False), ("YYYY-MM-DD HH:mm HH", True), ("YYYY-MM-DDZ", False)],
)  # fmt: skip
def test_date_formats_that_do_not_say_one_day_are_refused(form, with_time):
    assert format_fault(form, with_time=with_time)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("crm/a*.csv", "crm/ab*.csv", True),
        ("crm/a*.csv", "crm/b*.csv", False),
        ("crm/a*.csv", "erp/a*.csv", False),
        ("crm/*.csv", "crm/x/*.csv", False),
        ("*a*", "*b*", True),
        ("a*b", "*c", False),
        ("[a-c]x", "?x", True),
        ("[a-c]x", "[d-f]x", False),
        ("[!a]x", "ax", False),
        ("[!a]x", "bx", True),
        ("a[*]b", "axb", False),
        ("a?c", "abbc", False),
        ("crm/customers*.csv", "crm/customers_test*.csv", True),
        ("[", "[", True),
    ],
)
def test_two_paths_that_can_meet_are_found(left, right, same):
    assert overlap(left, right) is same
    assert overlap(right, left) is same


def test_a_star_does_not_cross_a_folder():
    assert matches("crm/a1.csv", "crm/a*.csv")
    assert not matches("crm/a/1.csv", "crm/a*.csv")
    assert not matches("crm/A1.csv", "crm/a*.csv")


# The reference ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", sorted(reference_tables()))
def test_the_reference_lists_every_property(block):
    text = (ROOT / "docs" / "contract-reference.md").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"<!-- {block} -->\n")
    written, end, _ = rest.partition(f"\n<!-- end of {block} -->")
    assert end
    assert written == reference_tables()[block], f"Replace the block {block!r} of the reference by this."


def test_every_property_has_a_type_a_meaning_and_an_example():
    assert len(PROPERTIES) > 50
    assert all(one.form and one.meaning.endswith((".", "`")) and one.example for one in PROPERTIES)


def test_the_contract_in_the_reference_is_sound(tmp_path):
    text = (ROOT / "docs" / "contract-reference.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "erp_sales.odcs.yaml"
    path.write_text(example, encoding="utf-8")
    contract = read_contract(path, tmp_path)
    assert contract.column("channel").accepted == ("shop", "web")
    assert [rule.name for rule in contract.rules] == ["large_sale_without_amount"]
