"""The laws of the engine, each with an attempt to break it through the engine's own seams."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from etl.errors import LedgerUnavailable, MetaLayerError, WarehouseError
from etl.layers.silver import SilverSQL
from etl.model import CheckState, Contract, Run, RunState, TaskState
from etl.reader import Reader, ReadResult, Survey
from etl.service import Service, open_service
from etl.settings import Settings
from tests.faults.processes import command, ended
from tests.workspaces import CUSTOMERS, QUICK, SALES, few_files, land, opened, run, workspace

BOTH_SUMS = (
    "select (select sum(total_revenue) from gold.customer_analytics), "
    "(select sum(sale_amount) from silver.sales_clean)"
)
LAYERS = ("bronze_layer_etl_pipeline", "silver_layer_etl_pipeline", "gold_layer_analytics_pipeline")
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - many runs, each waiting for a disk
TABLES = (
    "bronze.crm_customers_raw", "bronze.erp_sales_raw", "silver.customers_clean", "silver.sales_clean",
    "silver._superseded_customers_clean", "silver._superseded_sales_clean", "quarantine.crm_customers",
    "quarantine.erp_sales", "quarantine.unreadable_lines", "gold.customer_analytics", "gold.product_analytics",
    "gold.monthly_revenue",
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


def contents(service: Service, tables: Sequence[str] = TABLES) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order of its own."""
    return {table: sorted(service.select(f"select * from {table}").rows, key=repr) for table in tables}


def succeeded(service: Service, *targets: str, full: bool = False) -> Run:
    ended = run(service, *targets, full=full)
    assert ended.state is RunState.SUCCEEDED, ended.error
    return ended


# -- 1 and 2: rows and money are conserved --------------------------------------------------------------------


class Damaged(dict[str, SilverSQL]):
    """Compiled statements of which those of sales lose something on their way into the engine."""

    def __init__(self, damage: Callable[[str], str]) -> None:
        super().__init__()
        self._damage = damage

    def __setitem__(self, place: str, sql: SilverSQL) -> None:
        hurt = replace(sql, current=self._damage(sql.current)) if "sales_id" in sql.current else sql
        super().__setitem__(place, hurt)


LOSSES = {  # {sql} is the statement that makes silver.sales_clean; sale 5 stands in line 2 of the second file
    "a row dropped by a condition": ("select * from ({sql}) where sales_id <> 5", "(lines 2)"),
    "a row dropped by a join": (
        "select s.* from ({sql}) as s join bronze.crm_customers_raw as c "
        "on cast(s.customer_id as varchar) = c.customer_id and (c.region <> 'EAST' or s.sales_id <> 5)",
        "(lines 2)",
    ),
    "a row taken twice": (
        "select * from ({sql}) union all select * from ({sql}) where sales_id = 5",
        "sales_id",
    ),
    "an amount rounded": (
        "select * replace (round(sale_amount)::decimal(18, 2) as sale_amount) from ({sql})",
        "0.25 USD is not explained",
    ),
    "a cent lost": (
        "select * replace (case sales_id when 5 then 5.24 else sale_amount end::decimal(18, 2) as sale_amount) "
        "from ({sql})",
        "0.01 USD is not explained",
    ),
    "two amounts exchanged between files": (
        "select * replace (case sales_id when 5 then 40.00 when 1 then 5.25 else sale_amount end::decimal(18, 2) "
        "as sale_amount) from ({sql})",
        "34.75 USD is not explained",
    ),
}


@pytest.mark.parametrize(("loss", "told"), LOSSES.values(), ids=LOSSES.keys())
def test_what_silver_loses_on_the_way_is_not_published(settings: Settings, loss: str, told: str) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.25\n")
    with opened(settings) as service:
        sound = service.engine.tools
        service.engine.tools = replace(sound, compiled=Damaged(lambda sql: loss.format(sql=sql)))
        ended = run(service)
        assert ended.state is RunState.FAILED
        published = {table.name for table in service.tables() if table.version and table.layer != "bronze"}
        assert published <= {"silver.customers_clean"}, "neither sales nor what is made of them"
        assert told in ended.error
        assert not service.verdict().ready
        service.engine.tools = sound
        succeeded(service)
        assert service.select(BOTH_SUMS).rows == ((Decimal("105.25"), Decimal("105.25")),)
        assert service.verdict().ready, service.verdict().reasons


class LosingReader(Reader):
    """Writes one record less than it has read. `told` is whether it counts what it wrote."""

    told = False

    def read(
        self, path: Path, contract: Contract, target: Path, surveyed: Survey | None = None
    ) -> ReadResult:
        result = super().read(path, contract, target, surveyed)
        if contract.source != "erp_sales":
            return result
        short = target.with_suffix(".short")
        with duckdb.connect() as connection:
            connection.execute(
                f"copy (select * exclude (file_row_number) from read_parquet('{target}', file_row_number = true) "
                f"where file_row_number <> 2) to '{short}' (format parquet)"
            )
        short.replace(target)
        return replace(result, rows=result.rows - 1) if self.told else result


class LosingAndTellingReader(LosingReader):
    told = True


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


# -- 3: publishing is atomic ----------------------------------------------------------------------------------


@dataclass
class Watching:
    """What a looping reader has seen; `wrong` is what no reader may ever see."""

    look: Callable[[], tuple[Decimal | None, Decimal | None]]
    reads: int = 0
    seen: list[Decimal] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    def once(self) -> None:
        self.reads += 1
        try:
            gold, silver = self.look()
        except MetaLayerError as fault:
            self.wrong.append(str(fault))
            return
        if gold is None or gold != silver:
            self.wrong.append((gold, silver))
        elif not self.seen or self.seen[-1] != gold:
            self.seen.append(gold)


@contextmanager
def watching(*watches: Watching) -> Iterator[None]:
    ended = threading.Event()

    def loop(watch: Watching) -> None:
        while not ended.wait(0.002):
            watch.once()

    threads = [threading.Thread(target=loop, args=(watch,)) for watch in watches]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def in_a_snapshot(service: Service) -> tuple[Decimal | None, Decimal | None]:
    """Two statements and a while between them: only a snapshot makes them belong together."""
    with service._warehouse.snapshot() as session:
        gold = session.rows("select sum(total_revenue) from gold.customer_analytics")[0][0]
        time.sleep(0.01)
        return gold, session.rows("select sum(sale_amount) from silver.sales_clean")[0][0]


def test_a_reader_never_sees_an_empty_a_mixed_or_a_half_version() -> None:
    runs = 50
    with TemporaryDirectory(dir=MEMORY) as folder, opened(workspace(Path(folder))) as service:
        settings = service.settings
        few_files(settings)
        succeeded(service)
        totals = [Decimal("100.00")]
        at_once = Watching(lambda: service.select(BOTH_SUMS).rows[0])
        in_two = Watching(lambda: in_a_snapshot(service))
        with watching(at_once, in_two):
            for number in range(1, runs + 1):
                # The first sale gets another amount and one more sale comes in.
                lines = (
                    f"1,10,1,1,2026-01-05,{number}.00\n{number + 4},12,{number % 3 + 1},1,2026-03-01,5.00\n"
                )
                land(settings, f"erp/erp_sales_{number:03}.csv", SALES + lines)
                succeeded(service, *LAYERS)
                totals.append(Decimal(60 + number + 5 * number))
        for watch in (at_once, in_two):
            assert watch.wrong == []
            assert watch.seen == [total for total in totals if total in watch.seen], (
                "one version after the other"
            )
            assert len(watch.seen) > runs / 5, "the reader must have been there while it happened"
        assert at_once.seen[-1] == totals[-1]


@pytest.mark.parametrize("statement", ["insert into bronze._publications", "insert into bronze._accounts"])
def test_a_publication_that_fails_half_way_leaves_the_version_before(
    settings: Settings, statement: str
) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "1,10,1,1,2026-01-05,7.00\n")
        succeeded(service, "bronze")
        version = service.version()
        with failing_at(service, statement):
            ended = run(service)
            assert ended.state is RunState.FAILED
            assert "torn" in ended.error
            assert service.version() == version
            assert contents(service, TABLES[2:]) == {table: good[table] for table in TABLES[2:]}
        succeeded(service)
        assert service.select(BOTH_SUMS).rows == ((Decimal("67.00"), Decimal("67.00")),)


@contextmanager
def failing_at(service: Service, statement: str) -> Iterator[None]:
    """The warehouse breaks off within the publishing transaction, when tables are switched already."""
    warehouse: Any = service._warehouse
    transaction = warehouse._transaction

    class Torn:
        def __init__(self, session: Any) -> None:
            self._session = session

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def run(self, sql: str, *values: Any) -> None:
            self._tear(sql)
            self._session.run(sql, *values)

        def many(self, sql: str, *values: Any) -> None:
            self._tear(sql)
            self._session.many(sql, *values)

        def _tear(self, sql: str) -> None:
            if statement in sql:
                raise WarehouseError("The connection is torn.")

    @contextmanager
    def torn() -> Iterator[Any]:
        with transaction() as session:
            yield Torn(session)

    warehouse._transaction = torn
    try:
        yield
    finally:
        warehouse._transaction = transaction


def test_a_ledger_that_is_away_for_a_moment_does_not_undo_a_publication(settings: Settings) -> None:
    with opened(settings) as service:
        ledger: Any = service._ledger
        keep, failures = ledger.save_table_versions, [LedgerUnavailable("The ledger is held."), None]

        def keep_at_the_second_try(versions: Any) -> None:
            fault = failures.pop(0)
            if fault:
                raise fault
            keep(versions)

        ledger.save_table_versions = keep_at_the_second_try
        ended = succeeded(service)
        assert [len(task.attempts) for task in ended.tasks if task.name == "publish"] == [2]
        assert service.verdict().ready, service.verdict().reasons


def test_the_end_of_a_run_that_the_ledger_could_not_take_is_written_when_it_can(settings: Settings) -> None:
    with opened(settings) as service:
        succeeded(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        ledger: Any = service._ledger
        finish = ledger.finish_run
        ledger.finish_run = away
        with pytest.raises(LedgerUnavailable):
            run(service)
        cut_off = service.runs().runs[0]
        assert cut_off.state is RunState.RUNNING
        ledger.finish_run = finish
        succeeded(service)
        assert service.run(cut_off.run_id).state is RunState.SUCCEEDED
        assert service.run(cut_off.run_id).version is not None


def away(*_: object) -> None:
    raise LedgerUnavailable("The ledger is held.")


# -- 4: the same bytes add nothing ----------------------------------------------------------------------------


def test_the_same_bytes_under_any_name_at_any_time_add_nothing(settings: Settings) -> None:
    sales = (settings.landing / "erp" / "erp_sales.csv").read_bytes()
    land(settings, "erp/erp_sales_copy.csv", sales)
    with opened(settings) as service:
        succeeded(service)
        version, good = service.version(), contents(service)
        assert len(good["bronze.erp_sales_raw"]) == 4
        for name in ("erp_sales_again.csv", "erp_sales.csv", "erp_sales_copy.csv"):
            land(settings, f"erp/{name}", sales)
            succeeded(service)
        succeeded(service, full=True)
        assert contents(service) == good
        (batch,) = [batch for batch in service.batches() if batch.source == "erp_sales"]
        assert batch.arrivals == 5
        assert service.version() == version + 1, "the full build alone published"


def test_an_arrival_of_known_bytes_is_fresh_all_the_same(settings: Settings) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with open_service(settings, clock=lambda: now, retry=QUICK) as service:
        succeeded(service)
        now += timedelta(hours=30)
        time.sleep(2.1)  # what stands is read again after two seconds
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.WARNED
        land(settings, "erp/erp_sales_same.csv", (settings.landing / "erp" / "erp_sales.csv").read_bytes())
        succeeded(service)
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.PASSED
        assert {s.source: s.freshness.state for s in service.sources()}["crm_customers"] is CheckState.WARNED


def test_older_bytes_that_come_after_newer_ones_change_nothing_and_are_warned_of(settings: Settings) -> None:
    older = (settings.landing / "erp" / "erp_sales.csv").read_bytes()
    newer = SALES + "1,10,1,1,2026-01-05,41.00\n"
    with opened(settings) as service:
        succeeded(service)
        land(settings, "erp/erp_sales_2.csv", newer)
        succeeded(service)
        good = contents(service)
        assert came_back(service) == []
        land(settings, "erp/erp_sales_3.csv", older)
        succeeded(service)
        assert contents(service) == good, "the newer amount stays in force"
        (told,) = came_back(service)
        assert told.startswith(
            "An older file of erp_sales came back: erp/erp_sales_3.csv holds what came in before"
        )
        assert service.verdict().state is CheckState.WARNED
        assert service.verdict().ready
        land(settings, "erp/erp_sales_4.csv", newer)
        succeeded(service)
        assert came_back(service) == []


def came_back(service: Service) -> list[str]:
    return [
        f"{sight.headline}: {sight.detail}" for sight in service.attention() if "came back" in sight.headline
    ]


def test_a_refused_file_does_not_make_a_source_fresh(settings: Settings) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with open_service(settings, clock=lambda: now, retry=QUICK) as service:
        succeeded(service)
        now += timedelta(hours=30)
        land(settings, "erp/erp_sales_2.csv", b"")
        succeeded(service)
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.WARNED


# -- 5: incremental and full come to the same -----------------------------------------------------------------

CUSTOMER = st.tuples(
    st.sampled_from(["1", "2", "3", " 2 ", "x", ""]),
    st.sampled_from(["Ada", "Bo", ""]),
    st.sampled_from(["a@example.com", ""]),
    st.sampled_from(["WEST", "east", " north  ", ""]),
)
SALE = st.tuples(
    st.sampled_from(["1", "2", "3", "4", "1.5", ""]),
    st.sampled_from(["10", "11", "0x10"]),
    st.sampled_from(["1", "2", "3", "9"]),
    st.sampled_from(["1", "2", "0", "two"]),
    st.sampled_from(["2026-01-05", "2026-02-05", "2026-02-29", "05/01/2026", ""]),
    st.sampled_from(["10.00", " 7.5 ", "0.01", "12.345", "-3.00", "1e3", "abc", "", "9999999999999999.99"]),
)
FILE = st.one_of(
    st.tuples(st.just("crm"), st.lists(CUSTOMER, max_size=5), st.booleans()),
    st.tuples(st.just("erp"), st.lists(SALE, max_size=6), st.booleans()),
)
READABLE = re.compile(r"[+-]?(\d{1,26}(\.\d{0,10})?|\.\d{1,10})")


def written(kind: str, rows: Sequence[tuple[str, ...]], broken: bool) -> tuple[str, str]:
    """(folder and name up to the number, text) of a file; a broken one has a line that is no record."""
    header, name = (CUSTOMERS, "crm/crm_customers") if kind == "crm" else (SALES, "erp/erp_sales")
    lines = [",".join(row) for row in rows]
    return name, header + "".join(f"{line}\n" for line in [*lines, *(['1,"open'] if broken else [])])


def expected_money(files: Sequence[tuple[str, Sequence[tuple[str, ...]], bool]]) -> Decimal:
    """The amounts as written, read by other means than the engine's; the same bytes count once."""
    once = {
        text: rows
        for kind, rows, broken in files
        for text in [written(kind, rows, broken)[1]]
        if kind == "erp"
    }
    amounts = [row[5].strip() for rows in once.values() for row in rows]
    return sum((Decimal(amount) for amount in amounts if READABLE.fullmatch(amount)), Decimal(0))


@trying(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    steps=st.lists(st.lists(FILE, min_size=1, max_size=2), min_size=2, max_size=4), partly=st.integers(0, 3)
)
def test_any_order_of_files_and_runs_comes_to_what_one_full_build_gives(
    steps: list[list[tuple[str, list[tuple[str, ...]], bool]]], partly: int
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        bit_by_bit, at_once = workspace(Path(folder) / "bit by bit"), workspace(Path(folder) / "at once")
        with opened(bit_by_bit) as service:
            number = 0
            for at, step in enumerate(steps):
                for file in step:
                    number += 1
                    name, text = written(*file)
                    for place in (bit_by_bit, at_once):
                        land(place, f"{name}_{number:02}.csv", text)
                succeeded(service, *(LAYERS[:1] if at == partly else LAYERS))
            succeeded(service, *LAYERS)
            bit_by_bit_built = contents(service)
            accounts = service.accounts()
            assert all(account.closes for account in accounts.row_batches)
            assert all(account.closes for account in accounts.money_batches)
            assert not any(account.pending for account in accounts.row_batches)
            files = [file for step in steps for file in step]
            assert sum((money.bronze for money in accounts.money_totals), Decimal(0)) == expected_money(files)
            succeeded(service, *LAYERS, full=True)
            assert contents(service) == bit_by_bit_built
        with opened(at_once) as service:
            succeeded(service, *LAYERS)
            assert contents(service) == bit_by_bit_built


# -- 6: once --------------------------------------------------------------------------------------------------


def test_of_two_commands_at_once_each_runs_alone_and_every_file_lands_once(settings: Settings) -> None:
    commands = [command(settings, "run", "--json") for _ in range(2)]
    answers = [ended(started) for started in commands]
    assert [answer.code for answer in answers] == [0, 0], answers
    runs = sorted((answer.document["run"] for answer in answers), key=lambda found: found["run_id"])
    assert runs[0]["run_id"] != runs[1]["run_id"]
    assert runs[0]["finished_at"] <= runs[1]["started_at"], "one at a time"
    with opened(settings) as service:
        assert service.select("select count(*), sum(sale_amount) from silver.sales_clean").rows == ((4, 100),)
        assert [(batch.source, batch.arrivals) for batch in service.batches()] == [
            ("erp_sales", 1), ("crm_customers", 1),
        ]  # fmt: skip
        assert [found.state for found in service.runs().runs if found.run_id == runs[1]["run_id"]] == [
            "succeeded"
        ]


def test_an_engine_that_was_overtaken_lands_nothing_and_publishes_nothing(settings: Settings) -> None:
    with opened(settings) as frozen:
        succeeded(frozen)
        good, version = contents(frozen), frozen.version()
        with frozen._warehouse.session() as another:
            another.run("update bronze._fence set fence = fence + 1")
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        land(settings, "crm/crm_customers_empty.csv", "")
        landing = run(frozen)
        assert landing.state is RunState.FAILED
        assert "Another engine has taken over" in landing.error
        publishing = run(frozen, "gold")
        assert publishing.state is RunState.FAILED
        assert "Another engine has taken over" in publishing.error
        assert (contents(frozen), frozen.version()) == (good, version)
        assert not frozen.accounts().refused
        frozen.engine.take_over()
        succeeded(frozen)
        assert frozen.select(BOTH_SUMS).rows == ((Decimal("105.00"), Decimal("105.00")),)


# -- 7: no empty green ----------------------------------------------------------------------------------------


def test_checks_of_an_empty_table_are_not_examined_and_the_verdict_is_not_ready(settings: Settings) -> None:
    land(settings, "erp/erp_sales.csv", SALES)
    with opened(settings) as service:
        succeeded(service)
        empty = {table.name for table in service.tables() if table.rows == 0}
        assert {"silver.sales_clean", "gold.product_analytics", "gold.monthly_revenue"} <= empty
        of_empty = [
            facts for facts in service.checks() if facts.table in empty and facts.result.examined == 0
        ]
        assert len(of_empty) > 5
        assert {facts.result.state for facts in of_empty} == {CheckState.UNEXAMINED}
        verdict = service.verdict()
        assert not verdict.ready
        assert verdict.state is CheckState.UNEXAMINED
        assert any("has not examined anything" in reason for reason in verdict.reasons)
        of_gold = {table.state for table in service.tables() if table.name in empty and table.layer == "gold"}
        assert of_gold == {CheckState.UNEXAMINED}


def test_before_the_first_run_nothing_is_green(settings: Settings) -> None:
    with opened(settings) as service:
        states = {facts.result.state for facts in service.checks()} | {
            layer.state for layer in service.layers()
        }
        states |= {table.state for table in service.tables()} | {service.verdict().state}
        assert states == {CheckState.UNEXAMINED}
        assert not service.verdict().ready


# -- 9: never worse than before -------------------------------------------------------------------------------


def test_a_source_that_fails_leaves_its_last_good_state_and_the_other_goes_on(settings: Settings) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service, ["silver.sales_clean", "quarantine.erp_sales"])
        sound = service.engine.tools
        service.engine.tools = replace(
            sound, compiled=Damaged(lambda sql: f"select * from ({sql}) where 1 / 0 > 1 or x")
        )
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "2,Bo,bo@example.com,NORTH\n")
        ended = run(service)
        states = {task.table: task.state for task in ended.tasks if task.table}
        assert states["silver.sales_clean"] is TaskState.FAILED
        assert states["silver.customers_clean"] is TaskState.SUCCEEDED
        assert contents(service, list(good)) == good
        regions = service.select("select region, total_revenue from gold.customer_analytics order by 1").rows
        assert regions in (
            (("NORTH", Decimal("30.00")), ("WEST", Decimal("70.00"))),  # rebuilt from the last good sales
            (("EAST", Decimal("30.00")), ("WEST", Decimal("70.00"))),  # or left, and then told to be stale
        )
        assert not service.verdict().ready
        service.engine.tools = sound
        succeeded(service)
        assert service.select(BOTH_SUMS).rows == ((Decimal("105.00"), Decimal("105.00")),)
