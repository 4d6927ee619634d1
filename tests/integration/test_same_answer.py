"""Law 8: the same files give the same tables, row for row, whichever warehouse they are loaded into."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.generate import Recipe, generate
from etl.mends import Edit
from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.both import both
from tests.dirty import FOLDER, exports
from tests.oracle import CRM, ERP
from tests.postgres import Server
from tests.times import tries
from tests.workspaces import CUSTOMERS, SALES, few_files, land

NAMES = (
    "Ä ö ü ß ẞ", "İstanbul ı", "ÇÀÉ ñ", "ſ ǅ ŉ ΐ", "Σίσυφος ΟΔΟΣ", "👩‍👩‍👧 🇩🇪", "e\u0301 \u00e9", "a\u00a0b",
    "a\u2003b", "tab\tin", "back\\slash \\N \\n",
    "per%cent %s %(x)s", "what? ?", "'; drop table x; --", 'say ""so""', "$$x$$ $1 {0} :name",
    "\\N", "NULL", "null", "''", " trailing  ", "\ufeffbom", "\u200bzero", "中文 العربية",
    "\U0001d4d0\U00010400\U00010428", "x" * 40_000, "ab" * 9_000 + "é",
)  # fmt: skip
REGIONS = (
    "west",
    "straße",
    "ÎLE",
    "ŉorth",
    "ǆ",
    "ς",
    "ﬁ",
    "ᾳ",
    "ⓐ",
    "\U00010428",
    "east",
    "EAST",
    "éa",
    "zz",
    "Zz",
    "_a",
    "-a",
    "a b",
)
AMOUNTS = (
    "0", "0.00", "9999999999999999.99", "99999999999999999.99", "-0.01", "0.005", "+1.10", "1.", ".1", "1e2", "1,50",
    "000000000000000001.5", "12345678901234567", "1234567890123456.78", "NaN", "Infinity", "", " 3.30 ",
)  # fmt: skip
DAYS = (
    "0001-01-01", "9999-12-31", "10000-01-01", "0000-01-01", "1582-10-10", "1900-02-29", "2000-02-29", "2026-12-31",
    "epoch", "infinity", "today", "2026-1-5", "2026-01-05 00:00", "-0044-03-15",
)  # fmt: skip
WHOLES = (
    "999999999999999999",
    "1000000000000000000",
    "9223372036854775807",
    "-1",
    "007",
    "1.0",
    "1_0",
    "0x1F",
    "２",
    "",
)


def hostile(made: Settings) -> None:
    """Two files in which every field is one of those that databases like to differ about."""
    customers = [
        f'{number},"{name}",a{number}@example.com,"{REGIONS[number % len(REGIONS)]}"'
        for number, name in enumerate(NAMES, 1)
    ]
    customers += [
        f"{100 + n},Ada,{mail},west"
        for n, mail in enumerate(("Ä@É.de", "a@b.c ", "a b@c.d", "\\@%.?", "", '""'))
    ]
    customers += [f'{200 + n},Ada,a@example.com,"{region}"' for n, region in enumerate(REGIONS)]
    customers += [f"{300 + n},Ada,a@example.com," for n in range(len(NAMES))]
    sales = [f"{n},10,1,1,2026-01-05,{amount!r}".replace("'", '"') for n, amount in enumerate(AMOUNTS, 1)]
    sales += [f"{100 + n},11,2,1,{day},1.00" for n, day in enumerate(DAYS)]
    sales += [f"{200 + n},{whole},3,{whole},2026-01-05,1.00" for n, whole in enumerate(WHOLES)]
    sales += [f"{whole},12,1,1,2026-02-05,2.00" for whole in WHOLES]
    lines = ["1,2", "\\.", "a\0b,c", '"', "%s,?,\\N,$1,{0},:x,''"]
    land(made, "crm/crm_customers.csv", CUSTOMERS + "\n".join(customers) + "\n")
    land(made, "erp/erp_sales.csv", SALES + "\n".join([*sales, *lines]) + "\n")


def batch_of(service: Service, source: str, ending: str) -> str:
    return next(b.batch_id for b in service.batches(source) if b.path.endswith(ending))


def test_the_sample_and_the_dirty_sample_on_top_of_it_are_equal(tmp_path: Path, postgres: Server) -> None:
    with both(tmp_path, postgres, sample=True) as pair:
        pair.run()
        pair.each(lambda service: service.work(service.load_dirty_sample().run_id))
        pair.require_equal()
        pair.run(full=True)
        wrong = pair.duckdb.aside(ERP, limit=3).rows
        assert wrong
        first = wrong[0].place
        pair.mend(lambda service: service.discard(ERP, [first], reason="a test, 'so' to say; ünd %s"))
        pair.mend(lambda service: service.withdraw_batch(wrong[-1].place.batch_id, "never sent"))
        pair.run(full=True)


def test_generated_files_with_dirt_are_equal_in_batches_and_in_full(tmp_path: Path, postgres: Server) -> None:
    recipe = Recipe(customers=400, sales=1500, dirt=0.1, seed=11)
    with both(tmp_path, postgres) as pair:
        generate(recipe, pair.duckdb.settings.landing, suffix="_1")
        pair.run()
        generate(
            Recipe(customers=300, sales=900, dirt=0.2, seed=12), pair.duckdb.settings.landing, suffix="_2"
        )
        pair.run()
        pair.run(full=True)


def test_hostile_texts_are_equal_and_stay_so_when_they_are_mended(tmp_path: Path, postgres: Server) -> None:
    with both(tmp_path, postgres, prepared=hostile) as pair:
        pair.run()
        batch = batch_of(pair.duckdb, ERP, "erp_sales.csv")
        crm = batch_of(pair.duckdb, CRM, "crm_customers.csv")
        wrong = [row.place for row in pair.duckdb.aside(ERP).rows]
        texts = ["1.25", "2026-03-03", "\\N"]
        edits = [
            Edit(wrong[0], (("sale_amount", texts[0]),)),
            Edit(wrong[1], (("sale_date", texts[1]), ("sale_amount", " 4.40 "))),
            Edit(wrong[2], (("sale_amount", texts[2]),)),
        ]
        pair.mend(lambda service: service.replay_edits(ERP, edits, note="é 'x' %s ? \\", by="Zoë"))
        without = [
            row.place for row in pair.duckdb.aside(CRM).rows if dict(row.values)["customer_name"] == "Ada"
        ]
        assert len(without) >= len(NAMES)
        names = [
            Edit(place, (("customer_name", name), ("region", region)))
            for place, name, region in zip(without, NAMES, itertools.cycle(REGIONS))
        ]
        pair.mend(lambda service: service.replay_edits(CRM, names, note="again"))
        pair.mend(lambda service: service.discard(ERP, wrong[3:6], reason="? %s"))
        pair.mend(lambda service: service.restore(ERP, wrong[3:4]))
        land(
            pair.duckdb.settings,
            "erp/erp_sales_2.csv",
            SALES + "1,10,1,2,2026-01-06,7.00\n300,10,77,1,2026-01-06,8.00\n",
        )
        pair.run()
        land(pair.duckdb.settings, "crm/crm_customers_2.csv", CUSTOMERS + "77,Ünal,ü@example.com,ŉorth\n")
        pair.run()
        pair.run(full=True)
        pair.mend(lambda service: service.withdraw_batch(batch, "wrong month"))
        pair.mend(lambda service: service.reinstate_batch(batch))
        pair.mend(lambda service: service.withdraw_batch(crm, "all of them"))
        pair.run(full=True)


@tries(6)
@given(st.lists(exports(), min_size=1, max_size=4))
def test_any_files_are_equal(
    tmp_path_factory: pytest.TempPathFactory, postgres: Server, files: list[tuple[str, str]]
) -> None:
    with both(tmp_path_factory.mktemp("any"), postgres) as pair:
        for number, (source, text) in enumerate(files):
            land(pair.duckdb.settings, f"{FOLDER[source]}/{source}_{number}.csv", text)
            if number % 2:
                pair.run()
        pair.run()
        pair.run(full=True)


def test_what_keeps_a_table_from_being_published_is_told_alike(tmp_path: Path, postgres: Server) -> None:
    with both(tmp_path, postgres, prepared=few_files) as pair:
        pair.run()
        gold = pair.duckdb.settings.project / "gold" / "customer_analytics.sql"
        shipped = gold.read_text(encoding="utf-8")
        gold.write_text(
            shipped.replace("where buying_customers > total_customers", "where total_orders > 0"),
            encoding="utf-8",
        )
        pair.run(state=RunState.FAILED)
        gold.write_text(
            shipped.replace("sum(s.sale_amount) as revenue", "sum(s.sale_amount) + 1 as revenue"),
            encoding="utf-8",
        )
        pair.run(state=RunState.FAILED)


def test_a_difference_would_be_seen(tmp_path: Path, postgres: Server) -> None:
    with both(tmp_path, postgres, prepared=few_files) as pair:
        pair.run()
        with pair.postgres._warehouse.session() as session:
            session.run("update silver.sales_clean set sale_amount = sale_amount + 0.01 where sales_id = 4")
        with pytest.raises(AssertionError, match=r"sales_clean.*1 and 1 rows differ"):
            pair.require_equal()
