"""How a file's columns differ, told from names and texts; a rename is proposed only where the values fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.contracts import read_contract
from etl.declared import Contract
from etl.drift import (
    LEAST_VALUES,
    ColumnSeen,
    Comparison,
    Drift,
    DriftKind,
    Form,
    HeaderSeen,
    form_of,
    mostly,
    usual_form,
)
from etl.layers.glance import forms_of, refused_header
from etl.settings import ROOT
from etl.warehouse.columns import form_sql

AT = datetime(2026, 3, 1, tzinfo=UTC)

FORMS = {
    Form.WHOLE: ("0", "42", "-7", "+7", " 12 "),
    Form.POINT: ("1.5", "-0.25", ".5", "12."),
    Form.COMMA: ("1,5", "-12,50"),
    Form.GROUPED: ("1,234.50", "1.234,50"),
    Form.DAY_YMD: ("2026-01-05",),
    Form.DAY_DASHES: ("05-01-2026",),
    Form.DAY_DOTS: ("05.01.2026",),
    Form.DAY_SLASHES: ("05/01/2026", "2026/01/05"),
    Form.MOMENT: ("2026-01-05 10:00:00", "2026-01-05T10:00:00Z", "2026-01-05T10:00"),
    Form.FLAG: ("true", "No", "Y"),
    Form.TEXT: ("Ada", "A-12", "$40.00", "5-", "--", ".", "12 %", "N/A", "1e5"),
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(ROOT / "contracts" / "erp_sales.odcs.yaml", ROOT)


def comparison(contract: Contract, **usual: Form) -> Comparison:
    return Comparison(contract, "erp_sales", "b1", "erp/erp_sales.csv", AT, usual)


def found(drift: list[Drift]) -> list[tuple[str, str]]:
    return [(one.kind.value, one.column) for one in drift]


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, texts in FORMS.items() for text in texts])
def test_a_text_tells_its_form(form: Form, text: str) -> None:
    assert form_of(text) is form


def test_a_blank_text_has_no_form() -> None:
    assert form_of("  ") is None


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@given(st.lists(st.text("0123456789+-.,:/ TZyesnotruefalseé%", max_size=14), min_size=1, max_size=100))
def test_the_warehouse_tells_the_same_form(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    form = f"case when trim(text) <> '' then {form_sql('trim(text)')} end"
    told = connection.execute(f"select text, {form} from (select unnest(?) as text)", [texts]).fetchall()
    assert {text: Form(found) if found else None for text, found in told} == {
        text: form_of(text) for text in texts
    }


def test_the_form_of_most_texts_is_the_column_s() -> None:
    assert mostly({Form.WHOLE: 90, Form.TEXT: 10}) is Form.WHOLE
    assert mostly({Form.WHOLE: 45, Form.POINT: 45, Form.TEXT: 10}) is Form.POINT, "numbers all the same"
    assert mostly({Form.DAY_YMD: 40, Form.TEXT: 30, Form.WHOLE: 30}) is Form.TEXT
    assert mostly({}) is None


def test_what_is_usual_is_told_by_the_newest_batches_that_have_enough_values() -> None:
    few = ColumnSeen("x", Form.TEXT, LEAST_VALUES - 1)
    assert usual_form([few] * 3) is None
    assert usual_form(
        [few, *[ColumnSeen("x", Form.POINT, 100)] * 4, *[ColumnSeen("x", Form.WHOLE, 9)] * 3]
    ) is (Form.POINT)


# -- types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "was", "now"),
    [
        ("quantity", Form.WHOLE, Form.POINT),
        ("sale_date", Form.DAY_YMD, Form.DAY_DOTS),
        ("sale_amount", Form.POINT, Form.COMMA),
        ("sale_amount", Form.POINT, Form.TEXT),
    ],
)
def test_a_column_whose_texts_look_another_way_is_retyped(
    contract: Contract, column: str, was: Form, now: Form
) -> None:
    (drift,) = comparison(contract, **{column: was}).drift(
        HeaderSeen(), [ColumnSeen(column, now, 50, "12,5")]
    )
    assert (drift.kind, drift.column, drift.agreed) == (DriftKind.RETYPED, column, False)
    assert "like '12,5'" in drift.sentence
    assert contract.file in drift.proposal


def test_a_column_without_history_or_with_few_values_is_not_called_retyped(contract: Contract) -> None:
    assert not comparison(contract).drift(HeaderSeen(), [ColumnSeen("quantity", Form.TEXT, 50)])
    few = ColumnSeen("quantity", Form.TEXT, LEAST_VALUES - 1)
    assert not comparison(contract, quantity=Form.WHOLE).drift(HeaderSeen(), [few])
    blank = ColumnSeen("quantity", None, 0)
    assert not comparison(contract, quantity=Form.WHOLE).drift(HeaderSeen(), [blank])


# -- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "name", "form"),
    [
        ("sale_amount", "amount", Form.POINT),
        ("sale_amount", "Sale Amount", Form.POINT),
        ("sale_amount", "saleAmount", None),
        ("customer_id", "customer_no", Form.WHOLE),
        ("sale_date", "belegdatum", Form.DAY_YMD),  # by its type: it is the only new one
    ],
)
def test_a_likely_rename_is_proposed(contract: Contract, missing: str, name: str, form: Form | None) -> None:
    gone, new = comparison(contract).drift(HeaderSeen((missing,), ((name, form),)), [])
    assert (gone.kind, gone.column, gone.found) == (DriftKind.MISSING, missing, name)
    assert gone.proposal == f"looks renamed: add '{name}' to the aliases of {missing} in {contract.file}"
    assert (new.kind, new.column, new.proposal) == (DriftKind.NEW, name, "")


@pytest.mark.parametrize(
    ("missing", "name", "form"),
    [
        ("sale_amount", "amount_note", Form.TEXT),  # alike by name, but no number
        ("sale_date", "sales_date", Form.WHOLE),
        ("sale_amount", "warehouse", None),
        ("sale_amount", "comment", Form.TEXT),
    ],
)
def test_no_rename_is_proposed_where_name_or_values_do_not_fit(
    contract: Contract, missing: str, name: str, form: Form | None
) -> None:
    gone, new = comparison(contract).drift(HeaderSeen((missing,), ((name, form),)), [])
    assert (gone.proposal, gone.found) == ("", "")
    assert f"declare '{name}' in {contract.file}" in new.proposal


def test_each_new_column_is_proposed_once_for_the_one_it_fits_best(contract: Contract) -> None:
    header = HeaderSeen(
        ("customer_id", "product_id"), (("product_no", Form.WHOLE), ("customer_no", Form.WHOLE))
    )
    assert comparison(contract).likely_renames(header) == {
        "customer_id": "customer_no", "product_id": "product_no",
    }  # fmt: skip


def test_a_column_under_its_alias_is_told_and_agreed(contract: Contract) -> None:
    (drift,) = comparison(contract).drift(HeaderSeen(renamed=(("amount", "sale_amount"),)), [])
    assert (drift.kind, drift.agreed) == (DriftKind.RENAMED, True)
    assert drift.sentence == "'sale_amount' is called 'amount'"


def test_a_new_column_is_agreed_where_the_contract_lets_columns_evolve(contract: Contract) -> None:
    evolving = replace(contract, unknown_columns="evolve")
    (drift,) = comparison(evolving).drift(HeaderSeen(unknown=(("note", Form.TEXT),)), [])
    assert (drift.agreed, drift.proposal) == (True, "")


# -- a first look at a file -----------------------------------------------------------------------------------


def test_a_first_look_tells_the_form_of_every_column_of_a_file(tmp_path: Path, contract: Contract) -> None:
    path = tmp_path / "sales.csv"
    path.write_text('id,"name, full",day\n1,"Ada, B",2026-01-05\n2,Bo,2026-01-06\n', "utf-8-sig")
    assert forms_of(path, contract) == {"id": Form.WHOLE, "name, full": Form.TEXT, "day": Form.DAY_YMD}


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00", b"\x1f\x8bno gzip", b"a;b;c\n1;2;3\n"])
def test_a_file_that_has_no_such_header_tells_nothing(
    tmp_path: Path, contract: Contract, content: bytes
) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(content)
    assert refused_header(path, contract) == HeaderSeen()


def test_a_file_that_is_gone_tells_nothing(tmp_path: Path, contract: Contract) -> None:
    assert refused_header(tmp_path / "gone.csv", contract) == HeaderSeen()
