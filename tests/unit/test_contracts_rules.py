"""Contracts of exports as they really come: rules with a severity, limits, formats, foreign keys of several columns."""
# ruff: noqa: E501  # messages are quoted whole

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest

from etl.catalog import load_catalog
from etl.contracts import read_contract
from etl.contracts.checks import silver_checks
from etl.declared import Check, Distinct, ForeignKey, Severity
from etl.errors import CatalogError
from tests.unit.test_contracts import SHOP, amount, custom, status

BLOCK, QUARANTINE, WARN = Severity.BLOCK, Severity.QUARANTINE, Severity.WARN


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


def related(*entries: str) -> tuple[str, str]:
    """Relationships of the schema, on line 14."""
    return "    properties:\n", f"    relationships: [{', '.join(entries)}]\n    properties:\n"


def judged(*entries: str) -> tuple[str, str]:
    """Quality of the schema, on line 14."""
    return "    properties:\n", f"    quality: [{', '.join(entries)}]\n    properties:\n"


def server(name: str, value: str) -> tuple[str, str]:
    """A customProperty of the server, on line 10."""
    return "    format: csv\n", f"    format: csv\n    {custom(name, value)}\n"


def typed(kind: str, line: str) -> tuple[str, str]:
    """The column `status` with another type and one more line, line 20."""
    return "        logicalType: string\n", f"        logicalType: {kind}\n        {line}\n"


def metric(said: str) -> tuple[str, str]:
    return status(f"quality: [{{{said}, mustBe: 0}}]")


BOTH = "from: [shop_orders.order_id, shop_orders.status]"

# Severity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", QUARANTINE), (", severity: quarantine", QUARANTINE), (", severity: error", QUARANTINE),
        (", severity: warn", WARN), (", severity: warning", WARN), (", severity: info", WARN),
        (", severity: block", BLOCK),
    ],
)  # fmt: skip
def test_a_rule_of_a_column_has_the_severity_it_is_given(shop, written, meant):
    found = shop(*metric(f"metric: nullValues{written}")).column("status")
    assert (found.required, found.severity("present")) == (True, meant)
    found = shop(*metric(f"metric: invalidValues, arguments: {{validValues: [A]}}{written}")).column("status")
    assert (found.accepted, found.severity("accepted"), found.severity("form")) == (("A",), meant, QUARANTINE)
    found = shop(*metric(f"metric: invalidValues, arguments: {{pattern: ^a$}}{written}")).column("status")
    assert (found.pattern, found.severity("form")) == ("^a$", meant)


def test_a_value_that_may_not_repeat_blocks_or_warns(shop):
    found = shop(*metric("metric: duplicateValues")).column("status")
    assert (found.unique, found.severity("unique")) == (True, BLOCK)
    found = shop(*metric("metric: duplicateValues, severity: warn")).column("status")
    assert (found.unique, found.severity("unique")) == (True, WARN)


def test_missing_values_may_be_written_in_several_ways(shop):
    said = 'metric: missingValues, arguments: {missingValues: [null, "", n/a, "-"]}, severity: warn'
    found = shop(*metric(said)).column("status")
    assert (found.cleaning.null_tokens, found.severity("present")) == (("n/a", "-"), WARN)


def test_the_standards_enum_names_what_is_accepted(shop):
    assert shop(*status("enum: [{value: A, label: first}, {value: B}]")).column("status").accepted == (
        "A",
        "B",
    )
    assert shop(*typed("integer", "enum: [{value: 1}, {value: 007}]")).column("status").accepted == ("1", "7")


def test_what_only_tells_people_something_changes_nothing(shop):
    told = status("quality: [{type: text, description: Rarely blank.}]")
    assert shop(*told).column("status") == shop().column("status")


def checks(contract) -> dict[str, Check]:
    return {check.name: check for check in silver_checks(contract, {})}


@pytest.mark.parametrize(("severity", "meant"), [("warn", WARN), ("quarantine", BLOCK), ("block", BLOCK)])
def test_every_rule_of_a_column_is_a_check_of_silver(shop, severity, meant):
    """What is quarantined must not be in silver at all, so its check blocks."""
    entries = ", ".join(
        f"{{metric: {said}, mustBe: 0, severity: {severity}}}"
        for said in ("nullValues", "invalidValues, arguments: {validValues: [A], pattern: ^A$}")
    )
    found = checks(shop(*status(f"quality: [{entries}]")))
    names = ("status_present", "status_accepted", "status_form")
    assert [found[name].severity for name in names] == [meant] * 3


# Limits ----------------------------------------------------------------------------------------------


def test_days_and_moments_are_bounded_by_days(shop):
    found = shop(*typed("date", "logicalTypeOptions: {minimum: 2026-01-01, maximum: 2026-12-31}")).column(
        "status"
    )
    assert (found.earliest, found.latest) == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 12, 31, tzinfo=UTC),
    )
    said = 'logicalTypeOptions: {minimum: 2026-01-01, maximum: "2026-12-31 12:30:00"}'
    found = shop(*typed("timestamp", said)).column("status")
    assert found.latest == datetime(2026, 12, 31, 12, 30, tzinfo=UTC)


def test_an_exclusive_limit_is_the_next_value(shop):
    options = "logicalTypeOptions: {exclusiveMinimum: 0, exclusiveMaximum: 10}"
    found = shop(*amount(options)).column("amount")
    assert (found.minimum, found.maximum) == (Decimal("0.01"), Decimal("9.99"))
    found = shop(*typed("integer", options)).column("status")
    assert (found.minimum, found.maximum) == (1, 9)
    found = shop(*typed("date", "logicalTypeOptions: {exclusiveMinimum: 2025-12-31}")).column("status")
    assert found.earliest == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_check_of_a_limit_names_it(shop):
    found = shop(*typed("date", "logicalTypeOptions: {minimum: 2026-01-01, maximum: 2026-12-31}"))
    check = checks(found)["status_in_range"]
    assert check.sql.endswith(
        """where "status" < cast('2026-01-01' as date) or "status" > cast('2026-12-31' as date)"""
    )
    assert check.description == "status is at least 2026-01-01 and at most 2026-12-31."


@pytest.mark.parametrize(
    ("kind", "values", "sql"),
    [
        ("integer", "[1, -2]", "not in (1, -2)"),
        ("number", "[1, 2.5]", "not in (1.00, 2.50)"),
        ("date", "[2026-01-31]", "not in (cast('2026-01-31' as date))"),
        ("string", "[it's]", "not in ('it''s')"),
    ],
)
def test_accepted_values_may_be_numbers_and_days(shop, kind, values, sql):
    entry = f"quality: [{{metric: invalidValues, arguments: {{validValues: {values}}}, mustBe: 0}}]"
    assert checks(shop(*typed(kind, entry)))["status_accepted"].sql.endswith(sql)


# Ways of writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        ("date", "dd.MM.yyyy", "DD.MM.YYYY"),
        ("date", "M/d/yy", "M/D/YY"),
        ("date", "dd-MMM-uuuu", "DD-MMM-YYYY"),
        ("timestamp", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "YYYY-MM-DDTHH:mm:SS.fZ"),
        ("timestamp", "M/d/yyyy h:mm a", "M/D/YYYY h:mm A"),
        ("timestamp", "yyyy-MM-dd HH:mm:ss.SSSXXX", "YYYY-MM-DD HH:mm:SS.fO"),
    ],
)
def test_the_standards_own_format_is_read(shop, kind, written, meant):
    found = shop(*typed(kind, f'logicalTypeOptions: {{format: "{written}"}}'))
    assert found.column("status").cleaning.formats == (meant,)


def test_a_column_may_be_called_otherwise_in_the_file(shop):
    assert shop(*status("physicalName: Order Status")).column("status").aliases == ("Order Status",)
    assert shop(*status("physicalName: Status")).column("status").aliases == ("Status",)
    assert shop(*status("physicalName: status")).column("status").aliases == ()
    both = status("physicalName: State\n" + custom("aliases", "[st]"))
    assert shop(*both).column("status").aliases == ("State", "st")


def test_other_ways_to_write_numbers_and_months_are_read(shop):
    found = shop(*amount(custom("negatives", '["(1)", 1 DR]'))).column("amount")
    assert found.cleaning.negatives == ("(1)", "1 DR")
    assert shop(*amount(custom("percent", "true"))).column("amount").cleaning.percent
    names = '["Jan|Januar", Feb, "Mrz|März", Apr, Mai, Jun, Jul, Aug, Sep, Okt, Nov, Dez]'
    found = shop(*typed("date", custom("monthNames", names))).column("status")
    assert found.cleaning.month_names[:3] == (("Jan", "Januar"), ("Feb",), ("Mrz", "März"))


def test_lines_may_stand_before_the_header(shop):
    assert shop(*server("linesBeforeHeader", "3")).dialect.lines_before_header == 3


# Several columns -------------------------------------------------------------------------------------


def test_a_foreign_key_may_have_several_columns(shop):
    found = shop(*related(f"{{type: foreignKey, {BOTH}, to: [crm.number, crm.country]}}"))
    key = ForeignKey(("order_id", "status"), "crm", ("number", "country"), QUARANTINE, 14)
    assert found.composite_references == found.references == (key,)


def test_a_foreign_key_may_only_warn(shop):
    warn = custom("severity", "warn")
    found = shop(*related(f"{{{BOTH}, to: [crm.number, crm.country], {warn}}}"))
    assert (found.foreign_keys[0].severity, found.references) == (WARN, ())
    found = shop(*status(f"relationships: [{{to: crm.country, {warn}}}]"))
    assert found.foreign_keys == (ForeignKey(("status",), "crm", ("country",), WARN, 18),)
    assert found.references == ()


def test_no_two_rows_of_a_file_may_have_the_same_key(shop):
    found = shop(*judged("{metric: duplicateValues, mustBe: 0, severity: warn}"))
    assert found.distinct == (Distinct(("order_id",), WARN),)
    several = "{metric: duplicateValues, mustBe: 0, arguments: {properties: [status, amount]}}"
    assert shop(*judged(several)).distinct == (Distinct(("status", "amount"), BLOCK),)


def examined(check: Check) -> list[tuple[object, ...]]:
    """What a check selects from four rows of silver, of which one replaced another of its file."""
    with duckdb.connect() as warehouse:
        warehouse.execute("create schema silver")
        warehouse.execute(
            "create table rows_here as select * from (values "
            "(1, 'A', 5, 'b1'), (2, 'A', 5, 'b1'), (3, 'B', 5, 'b2'), (4, null, null, 'b2')"
            ") as given(order_id, status, amount, _batch_id)"
        )
        warehouse.execute(
            "create table silver._superseded_orders_clean as select * from (values "
            "(1, 'A', 5, 'b0'), (3, 'B', 5, 'b2')) as given(order_id, status, amount, _batch_id)"
        )
        return warehouse.execute(check.sql.replace("{table}", "rows_here")).fetchall()


def test_a_key_that_comes_twice_in_a_file_is_told_and_one_that_came_again_is_not(shop):
    found = checks(shop(*judged("{metric: duplicateValues, mustBe: 0, severity: warn}")))
    assert found["key_once_per_file"].severity is WARN
    assert examined(found["key_once_per_file"]) == [(3, "b2", 2)]


def test_columns_that_are_not_the_key_may_not_repeat_together(shop):
    several = "{metric: duplicateValues, mustBe: 0, arguments: {properties: [status, amount]}}"
    assert examined(checks(shop(*judged(several)))["status_amount_unique"]) == [("A", 5, 2)]


PARENT = """\
apiVersion: v3.1.0
kind: DataContract
id: crm
version: 1.0.0
servers: [{server: landing, type: local, path: crm/*.csv, format: csv}]
schema:
  - name: crm
    physicalName: crm_clean
    dataGranularityDescription: one row per customer of a country
    properties:
      - {name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}
      - {name: country, logicalType: string, primaryKey: true, primaryKeyPosition: 2}
      - {name: name, logicalType: string}
"""


@pytest.fixture
def catalog(tmp_path):
    """The catalog of SHOP, with these relationships, and PARENT."""

    def load(*entries: str):
        folder = tmp_path / "contracts"
        folder.mkdir(exist_ok=True)
        (folder / "crm.odcs.yaml").write_text(PARENT, encoding="utf-8")
        (folder / "shop_orders.odcs.yaml").write_text(SHOP.replace(*related(*entries), 1), encoding="utf-8")
        return load_catalog(tmp_path)

    return load


def test_the_parent_of_a_key_of_several_columns_is_an_input_and_a_check(catalog):
    found = catalog(f"{{{BOTH}, to: [crm.number, crm.country]}}").table("silver.orders_clean")
    assert found.inputs == ("bronze.shop_orders_raw", "silver.crm_clean")
    check = next(check for check in found.checks if check.name == "order_id_status_known")
    assert (check.severity, check.description) == (BLOCK, "Every order_id, status is known to crm.")
    with duckdb.connect() as warehouse:
        warehouse.execute("create schema silver")
        warehouse.execute("create table silver.crm_clean as select 1 as number, 'A' as country")
        warehouse.execute(
            "create table rows_here as select * from (values (1, 'A'), (1, 'B'), (2, 'A'), (1, null), (null, 'B')) "
            "as given(order_id, status)"
        )
        broken = warehouse.execute(check.sql.replace("{table}", "rows_here")).fetchall()
    assert sorted(broken) == [(1, "B"), (2, "A")]


def test_the_order_of_the_parents_key_does_not_matter(catalog):
    either = "from: [shop_orders.status, shop_orders.order_id], to: [crm.country, crm.number]"
    assert catalog(f"{{{either}}}").contracts["shop_orders"].references[0].to == ("country", "number")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (f"{BOTH}, to: [crm.number, crm.name]", "'order_id, status' refers to crm.number, crm.name, which is not the whole key of crm (number, country). Refer to the key: only that is sure to name one row, and to stay."),
        (f"{BOTH}, to: [crm.number, crm.contry]", "'order_id, status' refers to crm.number, crm.contry, but crm has no such column. Did you mean 'country'?"),
        (f"{BOTH}, to: [crm.country, crm.number]", "'order_id' is of type integer, but crm.country of type text. Give both one type."),
        (f"{BOTH}, to: [cmr.number, cmr.country]", "'order_id, status' refers to cmr.number, cmr.country, but there is no such source. Did you mean 'crm'?"),
        (f"{BOTH}, to: [shop_orders.order_id, shop_orders.status]", "'order_id, status' refers to its own source, which is not supported. Leave the relationship out; a check of a gold file can look for rows whose parent is not there."),
        ("from: shop_orders.order_id, to: crm.number", "'order_id' refers to crm.number, which is not the whole key of crm (number, country). A key of several columns is named as a whole, by a relationship of the schema."),
    ],
)  # fmt: skip
def test_a_key_of_several_columns_that_leads_nowhere_is_refused(catalog, entry, told):
    with pytest.raises(CatalogError) as refused:
        catalog(f"{{{entry}}}")
    assert [str(problem) for problem in refused.value.problems] == [
        f"contracts/shop_orders.odcs.yaml:14: {told}"
    ]


def test_a_changed_relationship_is_a_changed_silver(shop):
    entry = f"{BOTH}, to: [crm.number, crm.country]"
    found = shop(*related(f"{{{entry}}}"))
    warned = shop(*related(f"{{{entry}, {custom('severity', 'warn')}}}"))
    assert len({found.fingerprint, warned.fingerprint, shop().fingerprint}) == 3


# What is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (related("{from: [order_id, status], to: [x.a, x.b]}"), "14: 'order_id' does not name a column of a source. Write source.column."),
        (related("{from: [shop_orders.order_id], to: x.a}"), "14: from and to are not alike. Write a list of columns under both, or one column under both."),
        (related("{to: [x.a, x.b]}"), "14: A relationship has no 'from'. Add from: …"),
        (related("{from: [shop_orders.order_id, shop_orders.stat], to: [x.a, x.b]}"), "14: 'shop_orders.stat': there is no column 'stat'. Did you mean 'status'?"),
        (related("{from: [shop_orders.order_id, other.status], to: [x.a, x.b]}"), "14: 'other.status' is not a column of this source. Write shop_orders.column."),
        (related(f"{{{BOTH}, to: [x.a]}}"), "14: from names 2 columns and to 1. Name them in pairs, in the same order."),
        (related(f"{{{BOTH}, to: [x.a, y.b]}}"), "14: to names columns of x and y. A relationship leads to one source."),
        (related("{from: [shop_orders.status, shop_orders.status], to: [x.a, x.b]}"), "14: 'status' is named twice. Keep one of them."),
        (related("{from: [shop_orders.order_id, shop_orders.amount], to: [x.a, x.b]}"), "14: A decimal cannot refer to another source. Use a string, an integer or a date."),
        (related(f"{{{BOTH}, to: [x.a, x.b]}}", f"{{{BOTH}, to: [y.a, y.b]}}"), "14: There are two relationships of order_id, status. Keep one of them."),
        (status("relationships: [{to: [x.a, x.b]}]"), "20: A column refers to one column. A relationship of several columns stands in the schema, with from and to."),
        (server("quote", "“"), "10: '“' cannot be the quote. Use one ASCII character, such as \" or '."),
        (server("linesBeforeHeader", "-1"), "10: linesBeforeHeader is -1. It can be 0 to 1000."),
        (typed("date", "logicalTypeOptions: {minimum: 2026-02-30}"), "20: minimum '2026-02-30' is not a day. For example: 2026-01-31"),
        (typed("timestamp", "logicalTypeOptions: {maximum: noon}"), "20: maximum 'noon' is not a time. For example: 2026-01-31 12:00:00"),
        (typed("date", "logicalTypeOptions: {minimum: 2026-02-01, maximum: 2026-01-01}"), "20: minimum 2026-02-01 is above maximum 2026-01-01. No value could satisfy both."),
        (typed("integer", "logicalTypeOptions: {minimum: 1, exclusiveMinimum: 0}"), "20: minimum and exclusiveMinimum are both given. Keep one of them."),
        (typed("integer", "logicalTypeOptions: {maximum: 1000000000000000000}"), "20: maximum 1000000000000000000 is out of reach. No value of the column has more than 18 digits before the point."),
        (typed("boolean", "enum: [{value: A}]"), "20: Accepted values are for a string, integer, number or date. Use minimum and maximum, or a rule of type: sql."),
        (typed("integer", "enum: [{value: 1.5}]"), "20: '1.5' is accepted, but is not a whole number. No value could equal it."),
        (typed("date", "enum: [{value: 31.12.2025}]"), "20: '31.12.2025' is accepted, but is not a day written YYYY-MM-DD. No value could equal it."),
        (typed("date", "logicalTypeOptions: {format: dd.MM.YYYY}"), "20: The format 'dd.MM.YYYY' cannot be used: 'Y' in it is not read here. For example: yyyy-MM-dd"),
        (typed("date", "logicalTypeOptions: {format: dd.MM.yyyy HH}"), "20: The format 'dd.MM.yyyy HH' cannot be used: a date has no time of day. For example: yyyy-MM-dd"),
        (typed("date", f"logicalTypeOptions: {{format: dd.MM.yyyy}}\n        {custom('formats', '[D.M.YYYY]')}"), "20: format and formats are both given. Keep formats: it takes several."),
        (typed("timestamp", custom("formats", "['DD-MM-YYYY h:mm']")), "20: The format 'DD-MM-YYYY h:mm' cannot be used: h, the hour from 1 to 12, and A, for AM or PM, belong together. For example: YYYY-MM-DD HH:mm:SS"),
        (typed("date", custom("monthNames", "[Jan, Feb]")), "20: monthNames has 2 months. Write twelve, January first, spellings parted by |."),
        (typed("date", custom("monthNames", "[Ja, Fe, Ma, Ap, Ma, Ju, Jl, Au, Se, Oc, No, De]")), "20: monthNames has a name twice. Write twelve, January first, spellings parted by |."),
        (typed("date", custom("monthNames", "[m1, Fe, Ma, Ap, Mi, Ju, Jl, Au, Se, Oc, No, De]")), "20: monthNames has a name that is not 2 to 20 letters. Write twelve, January first, spellings parted by |."),
        (amount(custom("negatives", "[minus]")), "22: 'minus' does not show how a number below zero is written. Write 1 for the number, for example: [\"(1)\", \"1-\"]"),
        (amount(custom("negatives", '["-1"]')), "22: '-1' does not show how a number below zero is written. Write 1 for the number, for example: [\"(1)\", \"1-\"]"),
        (amount("customProperties: [{property: percent, value: true}, {property: amount, value: USD}]"), "22: An amount of money is no percentage. Leave out one of the two."),
        (amount("customProperties: [{property: percent, value: true}, {property: decimals, value: 1}]"), "22: A hundredth has more than 1 decimals. Give it decimals: 4, so that 12.5% can be 0.1250."),
        (metric("metric: duplicateValues, severity: quarantine"), "20: No row can be set aside for a value that two rows have. Use block or warn; which row of a key is newest is what newestBy says."),
        (status("quality: [{metric: nullValues, mustBe: 0}, {metric: missingValues, mustBe: 0}]"), "20: The metric is given twice. Keep one of them."),
        (metric("metric: nullValues, query: select 1"), "20: query has no effect on a metric. Leave it out, or set type: sql."),
        (amount("quality: [{metric: invalidValues, arguments: {pattern: ^a$}, mustBe: 0}]"), "22: A pattern is for a column of type string."),
        (status("logicalTypeOptions: {pattern: ^a$}\nquality: [{metric: invalidValues, arguments: {pattern: ^b$}, mustBe: 0}]"), "20: The pattern is given twice. Keep one of them."),
        (("        primaryKey: true\n", "        primaryKey: true\n        quality: [{metric: nullValues, mustBe: 0, severity: warn}]\n"), "18: A row without its key cannot be in silver, so its severity cannot be warn. Leave the severity out: such a row is quarantined."),
        (judged("{metric: nullValues, mustBe: 0}"), "14: A rule over whole rows is SQL, or metric: duplicateValues. Set type: sql, or move the entry to a column."),
        (judged("{metric: duplicateValues, mustBe: 0, arguments: {properties: [stats]}}"), "14: 'stats' is not a column of this contract. Did you mean 'status'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_line_and_hint(shop, edit, told):
    with pytest.raises(CatalogError) as refused:
        shop(*edit)
    assert f"contracts/shop_orders.odcs.yaml:{told}" in [str(problem) for problem in refused.value.problems]


def test_a_name_in_the_file_cannot_be_another_columns(shop):
    with pytest.raises(CatalogError, match="'amount' is already a name of the column 'status'"):
        shop(*status("physicalName: Amount"))
