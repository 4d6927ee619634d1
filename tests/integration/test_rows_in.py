"""The rows behind each number of the accounts: as many as the account counts, from the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from etl.errors import UsageError
from etl.facts import Rows
from etl.mends import Edit
from etl.service import Service
from etl.service.terms import LINES_ONLY, TERMS
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Rows in every place: one corrected, one discarded, a file withdrawn and one that silver has not taken in."""
    settings = workspace(tmp_path_factory.mktemp("rows"))
    few_files(settings)
    land(
        settings, "crm/crm_customers_2.csv", f"{CUSTOMERS}3,Cyrus,cy@example.com,WEST\n4,Di,d@example.com,\n"
    )
    land(
        settings,
        "erp/erp_sales_2.csv",
        f"{SALES}5,12,2,1,2026-03-01,x\n4,11,3,2,2026-02-06,12.00\n9,12,2,1,2026-03-01,y\n"
        '10,12,2,1,2026-03-01,z\n6,12,"2,1\n',
    )
    land(settings, "erp/erp_sales_1_wrong.csv", f"{SALES}91,12,2,1,2026-03-01,7.00\n")
    with opened(settings) as service:
        run(service)
        mend(service)
        land(settings, "erp/erp_sales_3.csv", f"{SALES}7,12,2,1,2026-03-01,5.00\n8,12,2,1,2026-03-02,6.00\n")
        run(service, "bronze")
        yield service


def mend(service: Service) -> None:
    """Correct sale 5, discard sale 9 (at the second try), withdraw a file; sale 10 stays in quarantine."""
    place = {dict(row.values)["sales_id"]: row.place for row in service.aside("erp_sales").rows}
    corrected = service.replay_edits(
        "erp_sales", [Edit(place["5"], (("sale_amount", "8.00"),))], note="typed wrong", by="ada"
    )
    service.work(corrected.run_id)
    service.work(service.discard("erp_sales", [place["9"]], "too early", by="bo").run_id)
    service.work(service.restore("erp_sales", [place["9"]], by="bo").run_id)
    service.work(service.discard("erp_sales", [place["9"]], "a test of the till", by="bo").run_id)
    wrong = next(batch for batch in service.batches("erp_sales") if "wrong" in batch.path)
    service.work(service.withdraw_batch(wrong.batch_id, "the wrong month", by="bo").run_id)


def cells(found: Rows, column: str) -> list[object]:
    at = found.columns.index(column)
    return [row[at] for row in found.rows]


@pytest.mark.parametrize("term", TERMS)
def test_there_are_as_many_rows_as_the_account_counts(faulty: Service, term: str) -> None:
    accounts = faulty.accounts()
    counted = 0
    for account in (*accounts.row_totals, *accounts.row_batches):
        if account.bronze_only and term not in LINES_ONLY:
            continue
        found = faulty.rows_in(account.source, term, account.batch_id)
        assert len(found.rows) == getattr(account, term), (account.source, account.batch_id)
        counted += len(found.rows)
    assert counted


def test_each_row_tells_its_file_and_line(faulty: Service) -> None:
    found = faulty.rows_in("erp_sales", "superseded")
    assert cells(found, "_path") == ["erp/erp_sales.csv", "erp/erp_sales_2.csv"]
    assert cells(found, "_row_number") == [5, 2]
    assert cells(found, "sales_id") == ["4", "5"]
    assert cells(found, "_because") == ["a newer version of its key", "its correction"]


def test_what_a_person_did_comes_with_who_and_why(faulty: Service) -> None:
    told = {
        term: (cells(found, "sales_id"), cells(found, "_author"), cells(found, "_because"))
        for term in ("corrections", "discarded", "withdrawn")
        for found in [faulty.rows_in("erp_sales", term)]
    }
    assert told == {
        "corrections": (["5"], ["ada"], ["typed wrong"]),
        "discarded": (["9"], ["bo"], ["a test of the till"]),
        "withdrawn": (["91"], ["bo"], ["the wrong month"]),
    }


def test_rows_come_in_the_order_in_which_their_files_came(faulty: Service) -> None:
    found = faulty.rows_in("erp_sales", "bronze")
    places = list(zip(cells(found, "_path"), cells(found, "_row_number"), strict=True))
    assert places == sorted(places)


def test_rows_that_wait_are_those_of_the_file_that_silver_has_not_taken_in(faulty: Service) -> None:
    found = faulty.rows_in("erp_sales", "pending")
    assert set(cells(found, "_path")) == {"erp/erp_sales_3.csv"}
    assert cells(found, "sale_amount") == ["5.00", "6.00"]


def test_the_rows_of_one_batch_are_its_own(faulty: Service) -> None:
    first, *_ = (b for b in reversed(faulty.batches("erp_sales")) if b.path == "erp/erp_sales.csv")
    found = faulty.rows_in("erp_sales", "silver", first.batch_id)
    assert set(cells(found, "_path")) == {"erp/erp_sales.csv"}
    assert len(found.rows) == 3


def test_an_unreadable_line_comes_raw_with_its_reason(faulty: Service) -> None:
    found = faulty.rows_in("erp_sales", "unreadable")
    assert cells(found, "_raw") == ['6,12,"2,1']
    assert all(cells(found, "_because"))


def test_rows_without_a_readable_amount_are_as_many_as_the_money_account_counts(faulty: Service) -> None:
    accounts = faulty.accounts()
    for account in (*accounts.money_totals, *accounts.money_batches):
        found = faulty.rows_in(account.source, "without_amount", account.batch_id, column=account.column)
        assert len(found.rows) == account.rows_without_amount
    found = faulty.rows_in("erp_sales", "without_amount", column="sale_amount")
    assert cells(found, "sale_amount") == ["x", "y", "z"]
    with pytest.raises(UsageError, match="has no amount 'quantity'"):
        faulty.rows_in("erp_sales", "without_amount", column="quantity")


def test_more_rows_than_asked_for_are_said_to_be_cut(faulty: Service) -> None:
    found = faulty.rows_in("erp_sales", "bronze", limit=2)
    assert (len(found.rows), found.truncated) == (2, True)


def test_an_unknown_term_is_refused_with_the_valid_ones(faulty: Service) -> None:
    with pytest.raises(UsageError, match="superseded"):
        faulty.rows_in("erp_sales", "lost")
    with pytest.raises(UsageError, match="no source"):
        faulty.rows_in("sales", "bronze")


def test_gold_is_summed_anew_beside_the_silver_it_was_built_from(faulty: Service) -> None:
    totals = {total.table: total for total in faulty.gold_totals()}
    for total in totals.values():
        assert total.difference == 0
        assert total.gold == Decimal("110.00")
        assert (total.unit, total.source, total.silver_rows) == ("USD", "erp_sales", 5)
    assert "gold.customer_analytics" in totals


def test_before_the_first_run_there_are_no_rows_and_nothing_to_compare(tmp_path: Path) -> None:
    with opened(workspace(tmp_path)) as service:
        assert all(not service.rows_in("erp_sales", term).rows for term in TERMS)
        assert service.gold_totals() == ()
        assert service.unreadable_reasons() == ()


def test_unreadable_lines_are_counted_by_reason(faulty: Service) -> None:
    (found,) = faulty.unreadable_reasons()
    assert (found.source, found.lines, found.corrected, found.discarded) == ("erp_sales", 1, 0, 0)
