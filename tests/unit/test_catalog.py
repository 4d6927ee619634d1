"""The catalog: contracts and gold files checked as a whole, and the graph of tables they make."""
# ruff: noqa: E501  # messages are quoted whole

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl.catalog import Catalog, load_catalog
from etl.contracts.portable import DIALECTS
from etl.declared import Kind, Layer, Severity
from etl.errors import CatalogError, UsageError
from etl.goldfile import render

ROOT = Path(__file__).parents[2]


def contract(source: str, *, path: str = "", silver: str = "", columns: str = "", schema: str = "") -> str:
    """A contract with the key `id` on line 15; more columns follow from line 16."""
    return f"""\
apiVersion: v3.1.0
kind: DataContract
id: {source}
version: 1.0.0
servers:
  - server: landing
    type: local
    path: {path or f"x/{source}_*.csv"}
    format: csv
schema:
  - name: {source}
    physicalName: {silver or f"{source}_clean"}
    dataGranularityDescription: one row per id
    properties:
      - {{name: id, logicalType: integer, primaryKey: true}}
{columns}{schema}"""


def reference(to: str, name: str = "other", kind: str = "integer") -> str:
    return f"      - {{name: {name}, logicalType: {kind}, relationships: [{{to: {to}}}]}}\n"


def gold(sql: str, columns: str = "id", reconcile: str = "") -> str:
    declared = "".join(
        f"--   - {{name: {name}, type: integer, meaning: a number}}\n" for name in columns.split()
    )
    more = f"-- reconcile: {reconcile}\n" if reconcile else ""
    return f"-- description: About ids.\n-- grain: one row per id\n-- key: id\n-- columns:\n{declared}{more}{sql}\n"


@pytest.fixture
def project(tmp_path):
    """Loads the catalog of files given by name: `a` a contract, `a.sql` a gold file."""

    def load(**files: str) -> Catalog:
        for folder in ("contracts", "gold"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            place = (
                f"gold/{name.removeprefix('gold_')}.sql"
                if name.startswith("gold_")
                else f"contracts/{name}.odcs.yaml"
            )
            (tmp_path / place).write_text(text, encoding="utf-8")
        return load_catalog(tmp_path)

    return load


def problems(load, **files: str) -> list[str]:
    with pytest.raises(CatalogError) as refused:
        load(**files)
    return [str(problem) for problem in refused.value.problems]


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return load_catalog(ROOT)


# What is shipped -------------------------------------------------------------------------------------


def test_the_shipped_catalog_holds_the_tables_of_the_house(shipped):
    assert list(shipped.tables) == [
        "bronze.crm_customers_raw",
        "bronze.customers_raw",
        "bronze.customers_test",
        "bronze.erp_sales_raw",
        "silver.customers_clean",
        "silver.sales_clean",
        "gold.customer_analytics",
        "gold.monthly_revenue",
        "gold.product_analytics",
    ]
    assert list(shipped.contracts) == ["crm_customers", "customers", "customers_test", "erp_sales"]


def test_the_shipped_sales_are_typed_and_depend_on_the_customers(shipped):
    sales = shipped.table("sales_clean")
    assert [(field.name, field.kind) for field in sales.fields] == [
        ("sales_id", Kind.INTEGER),
        ("product_id", Kind.INTEGER),
        ("customer_id", Kind.INTEGER),
        ("quantity", Kind.INTEGER),
        ("sale_date", Kind.DATE),
        ("sale_amount", Kind.DECIMAL),
        ("_batch_id", Kind.TEXT),
        ("_row_number", Kind.INTEGER),
        ("_correction", Kind.INTEGER),
    ]
    assert sales.inputs == ("bronze.erp_sales_raw", "silver.customers_clean")
    assert (sales.key, sales.source) == (("sales_id",), "erp_sales")


def test_bronze_is_text(shipped):
    assert {field.kind for table in shipped.layer(Layer.BRONZE) for field in table.fields} == {Kind.TEXT}


def test_only_the_fed_sources_promise_freshness(shipped):
    promised = {source: contract.fresh_within is not None for source, contract in shipped.contracts.items()}
    assert promised == {"crm_customers": True, "erp_sales": True, "customers": False, "customers_test": False}


def test_a_file_has_one_contract(shipped):
    found = {
        path: shipped.contract_for(path)
        for path in ("crm/crm_customers_1.csv", "erp/erp_sales.csv", "crm/x.csv")
    }
    sources = {path: one.source if one else None for path, one in found.items()}
    assert sources == {
        "crm/crm_customers_1.csv": "crm_customers",
        "erp/erp_sales.csv": "erp_sales",
        "crm/x.csv": None,
    }


def test_the_graph_can_be_walked_both_ways(shipped):
    assert shipped.feeds("customers_clean") == (
        "silver.sales_clean",
        "gold.customer_analytics",
        "gold.monthly_revenue",
    )
    assert shipped.downstream(["bronze.erp_sales_raw"]) == (
        "silver.sales_clean",
        "gold.customer_analytics",
        "gold.monthly_revenue",
        "gold.product_analytics",
    )
    assert shipped.upstream(["product_analytics"]) == (
        "bronze.crm_customers_raw",
        "bronze.erp_sales_raw",
        "silver.customers_clean",
        "silver.sales_clean",
    )
    assert shipped.downstream(["customers_test"]) == ()


def test_a_table_is_found_by_short_and_by_qualified_name(shipped):
    assert shipped.table("sales_clean") is shipped.table("silver.sales_clean")
    with pytest.raises(UsageError, match=r"There is no table 'sales_clen'\. Did you mean 'sales_clean'\?"):
        shipped.table("sales_clen")


def test_bronze_and_silver_have_a_contract_and_gold_has_none(shipped):
    owner = shipped.contract_of("sales_clean")
    assert owner is shipped.contracts["erp_sales"]
    assert shipped.contract_of("gold.monthly_revenue") is None


def test_a_catalog_can_be_kept(shipped):
    kept = pickle.loads(pickle.dumps(shipped))  # noqa: S301  # our own bytes
    assert kept == shipped
    assert kept.table("sales_clean") == shipped.table("sales_clean")


def test_the_same_files_give_the_same_fingerprint(shipped):
    assert load_catalog(ROOT).fingerprint == shipped.fingerprint


def test_reading_a_catalog_loads_no_driver_and_no_compiler():
    said = "import sys; from pathlib import Path; from etl.catalog import load_catalog; load_catalog(Path('.'))\n"
    said += "print([m for m in ('ibis', 'duckdb', 'pydantic', 'pandas', 'sqlalchemy', 'streamlit') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Checks ----------------------------------------------------------------------------------------------

LIMITED = """\
      - {name: amount, logicalType: number, required: true, logicalTypeOptions: {minimum: 0.5, maximum: 9}}
      - {name: mail, logicalType: string, unique: true, logicalTypeOptions: {pattern: '^[^@]{1,9}@o''x$', maxLength: 8}}
      - name: state
        logicalType: string
        quality: [{metric: invalidValues, arguments: {validValues: [new, "o'k"]}, mustBe: 0}]
      - {name: parent, logicalType: integer, relationships: [{to: owners.id}]}
    quality:
      - {name: odd, type: sql, query: "select * from {table} where amount = 1 and state = 'new'", mustBe: 0, severity: warn}
"""


@pytest.fixture
def limited(project):
    return project(a=contract("orders", columns=LIMITED), b=contract("owners")).table("orders_clean")


def test_every_rule_of_a_contract_is_proven_on_silver(limited):
    assert {check.name: str(check.severity) for check in limited.checks} == {
        "key_present": "block",
        "key_unique": "block",
        "amount_present": "block",
        "amount_in_range": "block",
        "mail_unique": "block",
        "mail_length": "block",
        "mail_form": "block",
        "state_accepted": "block",
        "parent_known": "block",
        "odd": "warn",
    }


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ("(1, 2, 'a@o''x', 'new', 7), (2, 0.5, null, null, null), (3, 9, 'abcd@o''x', 'o''k', null)", set()),
        ("(null, 2, null, null, null)", {"key_present"}),
        ("(1, 2, null, null, null), (1, 2, null, null, null)", {"key_unique"}),
        ("(1, null, null, null, null)", {"amount_present"}),
        ("(1, 0.4, null, null, null), (2, 9.1, null, null, null)", {"amount_in_range"}),
        ("(1, 2, 'a@o''x', null, null), (2, 2, 'a@o''x', null, null)", {"mail_unique"}),
        ("(1, 2, 'abcdef@o''x', null, null)", {"mail_length"}),
        ("(1, 2, 'a@b', null, null)", {"mail_form"}),
        ("(1, 2, null, 'old', null)", {"state_accepted"}),
        ("(1, 2, null, null, 8)", {"parent_known"}),
        ("(1, 1, null, 'new', null)", {"odd"}),
    ],
)  # fmt: skip
def test_a_check_finds_the_rows_that_break_it(limited, rows, broken):
    with duckdb.connect() as connection:
        connection.execute("create schema silver; create table silver.owners_clean as select 7 as id")
        connection.execute(
            "create table silver.orders_clean (id int, amount decimal(18, 2), mail text, state text, parent int)"
        )
        connection.execute(f"insert into silver.orders_clean values {rows}")
        found = {
            check.name
            for check in limited.checks
            if connection.execute(check.sql.replace("{table}", limited.name)).fetchall()
        }
    assert found == broken


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_checks_of_silver_can_be_said_in_every_dialect(limited, dialect):
    for check in limited.checks:
        assert render(check.sql.replace("{table}", limited.name), dialect)


def test_a_quarantining_rule_blocks_when_its_rows_reach_silver(project):
    rule = '    quality: [{name: odd, type: sql, query: "select * from {table} where id > 5", mustBe: 0}]\n'
    table = project(a=contract("orders", schema=rule)).table("orders_clean")
    (check,) = [check for check in table.checks if check.name == "odd"]
    assert check.severity is Severity.BLOCK


# One file per source, one file per analysis ----------------------------------------------------------


def test_adding_a_source_is_one_new_file(project, tmp_path):
    before = project(orders=contract("orders"))
    after = project(owners=contract("owners", columns=reference("orders.id")))
    assert set(after.tables) - set(before.tables) == {"bronze.owners_raw", "silver.owners_clean"}
    assert after.table("orders_clean") == before.table("orders_clean")
    assert [path.name for path in sorted(tmp_path.rglob("*.*"))] == ["orders.odcs.yaml", "owners.odcs.yaml"]


def test_adding_an_analysis_is_one_new_file(project):
    project(orders=contract("orders"))
    after = project(gold_ids=gold("select o.id from silver.orders_clean as o"))
    assert after.table("ids").inputs == ("silver.orders_clean",)


def test_gold_can_read_gold(project):
    catalog = project(
        orders=contract("orders"),
        gold_a=gold("select b.id from gold.b as b"),
        gold_b=gold("select o.id from silver.orders_clean as o"),
    )
    assert [table.name for table in catalog.layer("gold")] == ["gold.b", "gold.a"]
    assert catalog.upstream(["a"]) == ("bronze.orders_raw", "silver.orders_clean", "gold.b")


def test_how_a_file_is_read_changes_bronze_and_not_silver(project):
    before = project(a=contract("orders", columns="      - {name: x, logicalType: string}\n"))
    alias = "customProperties: [{property: aliases, value: [y]}]"
    after = project(a=contract("orders", columns=f"      - {{name: x, logicalType: string, {alias}}}\n"))
    assert before.table("orders_raw").fingerprint != after.table("orders_raw").fingerprint
    assert before.table("orders_clean").fingerprint == after.table("orders_clean").fingerprint
    assert before.fingerprint != after.fingerprint


# What is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (reference("ownrs.id"), "16: 'other' refers to ownrs.id, but there is no such source. Did you mean 'owners'?"),
        (reference("owners.idd"), "16: 'other' refers to owners.idd, but owners has no such column. Did you mean 'id'?"),
        (reference("owners.name"), "16: 'other' refers to owners.name, which is not the whole key of owners (id). Refer to the key: only that is sure to name one row, and to stay."),
        (reference("owners.id", kind="string"), "16: 'other' is of type text, but owners.id of type integer. Give both one type."),
        (reference("orders.id"), "16: 'other' refers to its own source, which is not supported. Leave the relationship out; a check of a gold file can look for rows whose parent is not there."),
    ],
)  # fmt: skip
def test_a_foreign_key_to_nowhere_is_refused(project, columns, told):
    owners = contract("owners", columns="      - {name: name, logicalType: integer}\n")
    assert problems(project, orders=contract("orders", columns=columns), owners=owners) == [
        f"contracts/orders.odcs.yaml:{told}"
    ]


def test_a_foreign_key_to_a_bronze_only_feed_is_refused(project):
    feed = contract("feed").replace(
        "    physicalName: feed_clean\n", "    customProperties: [{property: layers, value: bronze}]\n"
    )
    told = problems(project, orders=contract("orders", columns=reference("feed.id")), feed=feed)
    assert told == [
        "contracts/orders.odcs.yaml:16: 'other' refers to feed.id, but feed is a bronze-only feed. It has no keys to find."
    ]


def test_contracts_that_refer_to_each_other_are_refused(project):
    told = problems(
        project, a=contract("a", columns=reference("b.id")), b=contract("b", columns=reference("a.id"))
    )
    assert told == [
        "contracts/a.odcs.yaml: Tables are made from each other: silver.a_clean → silver.b_clean → silver.a_clean. Take one of the steps out."
    ]


def test_gold_files_that_read_each_other_are_refused(project):
    told = problems(
        project,
        orders=contract("orders"),
        gold_a=gold("select c.id from gold.c as c"),
        gold_b=gold("select a.id from gold.a as a"),
        gold_c=gold("select b.id from gold.b as b"),
    )
    assert len(told) == 1
    assert told[0].startswith("gold/a.sql:6: Tables are made from each other: gold.a → ")


def test_two_contracts_for_one_file_are_refused(project):
    told = problems(project, a=contract("a", path="crm/*.csv"), b=contract("b", path="crm/b?.csv"))
    assert told == [
        "contracts/b.odcs.yaml:8: 'crm/b?.csv' and 'crm/*.csv' of contracts/a.odcs.yaml can match the same file. "
        "Make the paths such that a file has one contract."
    ]


def test_two_contracts_for_one_source_are_refused(project):
    told = problems(project, a=contract("same", path="a/*"), b=contract("same", path="b/*"))
    assert told == [
        "contracts/b.odcs.yaml:11: The source 'same' is already described by contracts/a.odcs.yaml. "
        "Give it another name, or remove one of the files."
    ]


def test_two_tables_of_one_name_are_refused_whatever_their_layers(project):
    told = problems(
        project,
        a=contract("a", silver="ids"),
        b=contract("b", silver="ids"),
        gold_ids=gold("select a.id from silver.ids as a"),
    )
    assert told == [
        "contracts/b.odcs.yaml:12: The table name 'ids' is already used for silver.ids by contracts/a.odcs.yaml. Names are unique over all layers: choose another.",
        "gold/ids.sql:1: The table name 'ids' is already used for silver.ids by contracts/a.odcs.yaml. Names are unique over all layers: choose another.",
    ]


@pytest.mark.parametrize("name", ["silver", "master_etl_orchestrator"])
def test_a_table_may_not_be_called_like_a_layer_or_a_pipeline(project, name):
    told = problems(project, a=contract("a", silver=name))
    assert told == [
        f"contracts/a.odcs.yaml:12: {name!r} is the name of a layer or a pipeline. Choose another."
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (gold("select x.id from silver.order_clean as x"), "6: There is no table silver.order_clean. Did you mean 'silver.orders_clean'?"),
        (gold("select x.id from gold.xyzzy as x"), "6: There is no table gold.xyzzy. There are silver.orders_clean, gold.ids."),
        (gold("select x.id,\n  x.pice as price from silver.orders_clean as x", "id price"), "8: silver.orders_clean has no column 'pice'. Did you mean 'price'?"),
        (gold("select x.id from silver.orders_clean as x", "id", "id = silver.order_clean.price"), "6: reconcile names silver.order_clean, which this table is not made from. Did you mean 'silver.orders_clean'?"),
        (gold("select x.id from silver.orders_clean as x", "id", "id = silver.orders_clean.pric"), "6: silver.orders_clean has no number 'pric' to add up. Did you mean 'price'?"),
    ],
)  # fmt: skip
def test_a_gold_file_that_reads_what_is_not_there_is_refused(project, text, told):
    orders = contract("orders", columns="      - {name: price, logicalType: number}\n")
    assert problems(project, orders=orders, gold_ids=text) == [f"gold/ids.sql:{told}"]


def test_all_problems_of_all_files_are_told_at_once(project):
    told = problems(
        project,
        a=contract("a", columns="      - {name: x, logicalType: string, requird: true}\n"),
        b=contract("b", columns=reference("nowhere.id")),
        c=contract("c", path="x/b_*.csv"),
        gold_x=gold("select y.id from silver.unknown as y"),
        gold_y=gold("select arg_max(y.id, y.id) as id from silver.b_clean as y"),
        gold_z=gold("select from"),
    )
    assert [message.split(" ")[0] for message in told] == [
        "contracts/a.odcs.yaml:16:",
        "contracts/b.odcs.yaml:16:",
        "contracts/c.odcs.yaml:8:",
        "gold/x.sql:6:",
        "gold/y.sql:6:",
        "gold/z.sql:6:",
    ]


def test_what_a_broken_file_declares_is_not_missed_elsewhere(project):
    told = problems(
        project,
        a=contract("a", columns="      - {name: x, logicalType: string, requird: true}\n"),
        b=contract("b", columns=reference("a.id")),
        gold_x=gold("select y.id from silver.a_clean as y"),
        gold_y=gold("select z.id from gold.z as z"),
        gold_z=gold("select from"),
    )
    assert [message.split(" ")[0] for message in told] == ["contracts/a.odcs.yaml:16:", "gold/z.sql:6:"]


def test_an_empty_project_is_told_what_it_lacks(tmp_path):
    with pytest.raises(
        CatalogError, match=r"contracts: There is no contract\. Add one \*\.odcs\.yaml file per source\."
    ):
        load_catalog(tmp_path)
