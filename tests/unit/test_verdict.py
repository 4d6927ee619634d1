"""The rule: ready only when every blocking check stands passed on something, and nothing green is empty."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from etl.declared import Severity
from etl.facts import Accounts, Freshness
from etl.model import CheckState
from tests.unit.report_facts import (
    CHECKS,
    NOW,
    TABLES,
    accounts,
    check,
    judge,
    money_account,
    never_built,
    refused,
    retention,
    row_account,
    table,
)

NO_ACCOUNTS = Accounts(0, (), (), (), (), (), ())


def test_a_healthy_workspace_is_ready() -> None:
    verdict = judge()
    assert verdict.ready
    assert verdict.state == CheckState.PASSED
    assert verdict.headline == "Ready: today's numbers can be used"
    assert (verdict.passed, verdict.reasons) == (2, ())


def test_nothing_published_is_not_examined_and_never_green() -> None:
    verdict = judge(tables=(never_built("silver.sales_clean"),), checks=(), accounts=NO_ACCOUNTS)
    assert not verdict.ready
    assert verdict.state == CheckState.UNEXAMINED
    assert verdict.headline == "Not examined: nothing has been published yet"


def test_an_empty_catalog_is_not_green() -> None:
    verdict = judge(tables=(), checks=(), accounts=NO_ACCOUNTS)
    assert (verdict.ready, verdict.state) == (False, CheckState.UNEXAMINED)


TRAPS: dict[str, tuple[dict[str, Any], str, CheckState]] = {
    "a passed check that examined no rows": (
        {"checks": (check(examined=0),)},
        "key_unique of sales_clean has not examined",
        CheckState.UNEXAMINED,
    ),
    "a passed check of an older version than the published one": (
        {"checks": (check(version=2),)},
        "key_unique of sales_clean has not examined",
        CheckState.UNEXAMINED,
    ),
    "a check that says passed and counts failing rows": (
        {"checks": (check(failing=4),)},
        "failed: 4 rows",
        CheckState.FAILED,
    ),
    "a failed blocking check": (
        {"checks": (check(state=CheckState.FAILED, failing=2),)},
        "failed: 2 rows",
        CheckState.FAILED,
    ),
    "an unexamined blocking check": (
        {"checks": (check(state=CheckState.UNEXAMINED, examined=0),)},
        "has not examined",
        CheckState.UNEXAMINED,
    ),
    "no blocking check at all": (
        {"checks": (check(severity=Severity.WARN),)},
        "no blocking check has examined",
        CheckState.UNEXAMINED,
    ),
    "no account of a published source": (
        {"accounts": NO_ACCOUNTS},
        "no row account has been drawn up for erp_sales",
        CheckState.UNEXAMINED,
    ),
    "rows that no term explains": (
        {"accounts": accounts(row_totals=(row_account(silver=9),))},
        "does not close: lines +0, rows +1",
        CheckState.FAILED,
    ),
    "lines that no term explains in one batch": (
        {"accounts": accounts(row_batches=(row_account(batch_id="b1", lines=12),))},
        "erp_sales, batch b1",
        CheckState.FAILED,
    ),
    "a missing cent": (
        {"accounts": accounts(money_totals=(money_account(silver=Decimal("999.99")),))},
        "+0.01 USD",
        CheckState.FAILED,
    ),
    "a silver table that was never built": (
        {"tables": (TABLES[0], never_built("silver.sales_clean"), *TABLES[2:])},
        "sales_clean has not been built",
        CheckState.UNEXAMINED,
    ),
    "a source without files that silver needs": (
        {"tables": (never_built("bronze.erp_sales_raw"), *TABLES[1:])},
        "no file has landed",
        CheckState.UNEXAMINED,
    ),
    "a stale table": (
        {
            "tables": (
                *TABLES[:2],
                table("gold.customer_analytics", feeds=(), stale=True, stale_because="sales moved on"),
            )
        },
        "customer_analytics is stale: sales moved on",
        CheckState.WARNED,
    ),
    "a table whose last task failed": (
        {"tables": (*TABLES[:2], table("gold.customer_analytics", feeds=(), problem="blocked"))},
        "customer_analytics could not be brought up to date: blocked",
        CheckState.FAILED,
    ),
    "a broken catalog": (
        {"problems": ("contracts/x.yaml:3 is wrong",)},
        "contracts/x.yaml:3",
        CheckState.FAILED,
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_not_ready_with(trap: str) -> None:
    changes, sentence, state = TRAPS[trap]
    verdict = judge(**changes)
    assert not verdict.ready
    assert any(sentence in reason for reason in verdict.reasons), verdict.reasons
    assert verdict.headline.startswith("Not ready: ")
    assert verdict.state == state


def test_the_headline_names_the_worst_and_counts_the_rest() -> None:
    tables = (TABLES[0], never_built("silver.sales_clean"), table("gold.customer_analytics", stale=True))
    verdict = judge(tables=tables)
    assert verdict.headline == "Not ready: customer_analytics is stale, and 1 more reason"


WARNINGS: dict[str, tuple[dict[str, Any], str]] = {
    "rows in quarantine": (
        {"accounts": accounts(retention=(retention(silver=8, quarantined=2),))},
        "2 rows of erp_sales in quarantine (20.0 %)",
    ),
    "a refused file": (
        {"accounts": accounts(refused=(refused("erp/broken.csv"),))},
        "1 file refused: erp/broken.csv",
    ),
    "an unreadable line": (
        {"accounts": accounts(row_totals=(row_account(lines=12, unreadable=1),))},
        "1 unreadable line of erp_sales",
    ),
    "a missed freshness": (
        {
            "tables": (
                table("bronze.erp_sales_raw", freshness=Freshness(CheckState.WARNED, NOW, None)),
                *TABLES[1:],
            )
        },
        "erp_sales is not as fresh as promised",
    ),
    "a warned check": (
        {
            "checks": (
                *CHECKS,
                check("volume", severity=Severity.WARN, state=CheckState.WARNED, message="half of usual"),
            )
        },
        "volume of sales_clean: half of usual",
    ),
    "rows that are not yet in silver": (
        {"accounts": accounts(retention=(retention(silver=8, pending=2),))},
        "2 rows of erp_sales not yet in sales_clean",
    ),
    "a legacy feed that could not be read": (
        {"tables": (*TABLES, table("bronze.customers_raw", feeds=(), problem="no header"))},
        "customers_raw could not",
    ),
}


@pytest.mark.parametrize("warning", WARNINGS)
def test_ready_with_a_warning_about(warning: str) -> None:
    changes, sentence = WARNINGS[warning]
    verdict = judge(**changes)
    assert verdict.ready
    assert verdict.headline == "Ready, with 1 warning"
    assert sentence in verdict.reasons[0]
    assert verdict.state == CheckState.WARNED


def test_too_little_history_is_listed_and_does_not_block() -> None:
    grey = check("volume", severity=Severity.WARN, state=CheckState.UNEXAMINED, examined=0)
    verdict = judge(checks=(*CHECKS, grey))
    assert verdict.ready
    assert verdict.unexamined == 1
    assert verdict.reasons == ("1 other check examined nothing: volume of sales_clean",)


def test_a_legacy_feed_without_files_does_not_block() -> None:
    legacy = never_built("bronze.customers_raw", feeds=())
    verdict = judge(tables=(*TABLES, legacy), checks=(*CHECKS, check(of=legacy.name, examined=0)))
    assert verdict.ready
    assert "nothing has landed yet for customers_raw" in verdict.reasons


def test_one_set_aside_row_is_told_once() -> None:
    aside = check("No row set aside", severity=Severity.WARN, state=CheckState.WARNED, failing=2)
    verdict = judge(checks=(*CHECKS, aside), accounts=accounts(retention=(retention(quarantined=2),)))
    assert verdict.headline == "Ready, with 1 warning"


def test_a_tiny_share_in_quarantine_is_not_called_zero() -> None:
    kept = retention(bronze=1_000_000, silver=999_999, quarantined=1)
    assert "(< 0.1 %)" in judge(accounts=accounts(retention=(kept,))).reasons[0]
