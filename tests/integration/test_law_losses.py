"""Laws 1 and 2: rows and money are conserved. Whatever is lost on the way is told, and nothing is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from etl.layers import silver, silver_merge
from etl.mends import Edit, Requested
from etl.model import RunState
from etl.reader import Reader
from etl.service import Service
from etl.settings import Settings
from tests.contents import PUBLISHED, contents, succeeded
from tests.damage import Damaged, LosingAndTellingReader, LosingReader
from tests.workspaces import SALES, few_files, land, opened, run, workspace

BOTH_SUMS = (
    "select (select sum(total_revenue) from gold.customer_analytics), "
    "(select sum(sale_amount) from silver.sales_clean)"
)
FIFTH = "5,12,2,1,2026-03-01,5.25\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


@contextmanager
def losing(service: Service, loss: str) -> Iterator[None]:
    """Every statement that makes rows of silver.sales_clean loses something."""
    sound = service.engine.tools
    service.engine.tools = replace(sound, compiled=Damaged(lambda sql: loss.format(sql=sql)))
    try:
        yield
    finally:
        service.engine.tools = sound


def require_all_there(service: Service) -> None:
    succeeded(service)
    assert service.select(BOTH_SUMS).rows == ((Decimal("105.25"), Decimal("105.25")),)
    assert service.verdict().ready, service.verdict().reasons


# -- silver --------------------------------------------------------------------------------------------------

OTHERS = "sales_id, product_id, customer_id, quantity, sale_date, _batch_id, _row_number, _correction"


def with_amount(amount: str) -> str:
    """The same rows with another amount."""
    return f"select {OTHERS}, cast({amount} as decimal(18, 2)) as sale_amount from ({{sql}}) as found"


LOSSES = {  # {sql} is a statement that makes rows of silver.sales_clean; sale 5 stands in line 2 of the second file
    "a row dropped by a condition": ("select * from ({sql}) as found where sales_id <> 5", "(lines 2)"),
    "a row dropped by a join": (
        "select s.* from ({sql}) as s join bronze.crm_customers_raw as c "
        "on cast(s.customer_id as varchar) = c.customer_id and (c.region <> 'EAST' or s.sales_id <> 5)",
        "(lines 2)",
    ),
    "a row taken twice": (
        "select * from ({sql}) as once union all select * from ({sql}) as again where sales_id = 5",
        "sales_id",
    ),
    "an amount rounded": (with_amount("round(sale_amount)"), "0.25 USD is not explained"),
    "a cent lost": (
        with_amount("case sales_id when 5 then 5.24 else sale_amount end"),
        "0.01 USD is not explained",
    ),
    "two amounts exchanged between files": (
        with_amount("case sales_id when 5 then 40.00 when 1 then 5.25 else sale_amount end"),
        "34.75 USD is not explained",
    ),
}


@pytest.mark.parametrize(("loss", "told"), LOSSES.values(), ids=LOSSES.keys())
def test_what_silver_loses_on_the_way_is_not_published(settings: Settings, loss: str, told: str) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + FIFTH)
    with opened(settings) as service:
        with losing(service, loss):
            ended = run(service)
        assert ended.state is RunState.FAILED
        published = {table.name for table in service.tables() if table.version and table.layer != "bronze"}
        assert published <= {"silver.customers_clean"}, "neither sales nor what is made of them"
        assert told in ended.error
        assert not service.verdict().ready
        require_all_there(service)


@pytest.mark.parametrize(("loss", "told"), LOSSES.values(), ids=LOSSES.keys())
def test_what_a_new_batch_loses_on_its_way_into_silver_is_not_published(
    settings: Settings, loss: str, told: str
) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service, PUBLISHED)
        land(settings, "erp/erp_sales_2.csv", SALES + FIFTH)
        assert {step.name: step.mode for step in service.plan().steps}["silver.sales_clean"] == "incremental"
        with losing(service, loss):
            ended = run(service)
        assert ended.state is RunState.FAILED
        assert told in ended.error
        assert contents(service, PUBLISHED) == good
        assert not service.verdict().ready
        require_all_there(service)


@pytest.mark.parametrize(("loss", "told"), LOSSES.values(), ids=LOSSES.keys())
def test_what_a_correction_loses_on_its_way_into_silver_is_not_published(
    settings: Settings, loss: str, told: str
) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + FIFTH.replace(",1,2026", ",0,2026"))
    with opened(settings) as service:
        succeeded(service)
        good = contents(service, PUBLISHED)
        asked = mended(service)
        with losing(service, loss):
            ended = service.work(asked.run_id)
        assert ended.state is RunState.FAILED
        assert told in ended.error
        assert contents(service, PUBLISHED) == good
        assert not service.verdict().ready
        require_all_there(service)


def mended(service: Service) -> Requested:
    """The one quarantined sale gets a quantity."""
    (row,) = service.aside("erp_sales").rows
    return service.replay_edits("erp_sales", [Edit(row.place, (("quantity", "1"),))])


# -- what is set aside -----------------------------------------------------------------------------------------


def discarded(service: Service) -> Requested:
    return service.discard("erp_sales", [service.aside("erp_sales").rows[0].place], "a test row")


def withdrawn(service: Service) -> Requested:
    (batch,) = [batch for batch in service.batches() if batch.path == "erp/erp_sales_2.csv"]
    return service.withdraw_batch(batch.batch_id, "the wrong file")


@pytest.mark.parametrize("full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize(
    ("ask", "state"), [(mended, "corrected"), (discarded, "discarded"), (withdrawn, "withdrawn")]
)
def test_a_row_that_is_lost_when_it_is_set_aside_is_told_and_nothing_is_published(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Service], Requested],
    state: str,
    full: bool,
) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + FIFTH.replace(",1,2026", ",0,2026"))
    placed = silver.placed

    def lost(received: str, corrections: str) -> str:
        return f"select * from ({placed(received, corrections)}) as all_of_them where _state is distinct from '{state}'"

    with opened(settings) as service:
        succeeded(service)
        good = contents(service, PUBLISHED)
        asked = ask(service)
        with monkeypatch.context() as patch:
            patch.setattr(silver, "placed", lost)
            patch.setattr(silver_merge, "placed", lost)
            ended = run(service, full=True) if full else service.work(asked.run_id)
        assert ended.state is RunState.FAILED
        assert "The row account of erp_sales does not close" in ended.error
        assert "(lines 2)" in ended.error
        assert contents(service, PUBLISHED) == good
        succeeded(service)
        assert all(account.closes for account in service.accounts().row_batches)
        assert service.verdict().ready, service.verdict().reasons


# -- the reader ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [LosingReader, LosingAndTellingReader])
@pytest.mark.parametrize("target", ["", "bronze"], ids=["everything", "bronze alone"])
def test_a_line_that_the_reader_loses_is_told_and_nothing_is_published(
    settings: Settings, reader: type[Reader], target: str
) -> None:
    with opened(settings) as service:
        files = settings.files
        service.engine.tools = replace(service.engine.tools, reader=lambda roots: reader(roots, files))
        ended = run(service, *filter(None, [target]))
        assert ended.state is RunState.FAILED
        assert "The row account of erp_sales does not close" in ended.error
        assert "1 lines" in ended.error
        assert not [t for t in service.tables() if t.version and t.layer != "bronze"]
        assert not service.verdict().ready


@pytest.mark.parametrize("reader", [LosingReader, LosingAndTellingReader])
def test_a_line_that_the_reader_loses_when_a_batch_is_read_again_is_told_and_nothing_is_published(
    settings: Settings, reader: type[Reader]
) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service, PUBLISHED)
        sound, files = service.engine.tools, settings.files
        service.engine.tools = replace(sound, reader=lambda roots: reader(roots, files))
        (batch,) = [batch for batch in service.batches() if batch.source == "erp_sales"]
        ended = service.work(service.replay_batch(batch.batch_id).run_id)
        assert ended.state is RunState.FAILED
        assert "The row account of erp_sales does not close" in ended.error
        assert contents(service, PUBLISHED) == good
        service.engine.tools = sound
        service.work(service.replay_batch(batch.batch_id).run_id)
        assert contents(service, PUBLISHED) == good
        assert service.verdict().ready, service.verdict().reasons


# -- gold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            ("from silver.sales_clean as s", "from silver.sales_clean as s where s.sales_id <> 3"),
            "total_revenue",
        ),
        (
            ("sum(s.sale_amount) as revenue", "sum(round(s.sale_amount * 0.999, 2)) as revenue"),
            "total_revenue",
        ),
        (
            ("left join bought as b on c.customer_id = b.customer_id", "left join bought as b on true"),
            "total_revenue",
        ),
    ],
    ids=["a sale left out", "a cent rounded away", "a join that multiplies"],
)
def test_a_gold_table_that_does_not_add_up_to_its_silver_is_not_published(
    settings: Settings, damage: tuple[str, str], told: str
) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service)
        gold = settings.project / "gold" / "customer_analytics.sql"
        shipped = gold.read_text()
        assert damage[0] in shipped
        gold.write_text(shipped.replace(*damage))
        ended = run(service)
        assert ended.state is RunState.FAILED
        assert told in ended.error
        assert contents(service) == good
        gold.write_text(shipped)
        succeeded(service)
        assert service.verdict().ready, service.verdict().reasons
