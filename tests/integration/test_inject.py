"""Check the checks: the shipped contracts catch every planted fault, and what is not caught is told."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from etl import accounts
from etl.calls import perform
from etl.inject import Caught, FaultKind, Injection, copies_of, inject
from etl.settings import ROOT, Settings
from tests.commands import command
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

OF_OTHER_CONTRACTS = {
    FaultKind.ABOVE, FaultKind.EARLY, FaultKind.LATE, FaultKind.SHORT, FaultKind.LONG, FaultKind.STRANGE,
    FaultKind.SAME_VALUE, FaultKind.OWN_RULE,
}  # fmt: skip


def injected(settings: Settings) -> Injection:
    """Land what lies there, then check the checks."""
    with opened(settings) as service:
        run(service)
        return inject(copies_of(partial(perform_by_name, service), settings), settings)


def perform_by_name(service: Any, method: str, **kwargs: Any) -> Any:
    return perform(service, method, kwargs)


def missed(found: Injection) -> list[tuple[str, str, str]]:
    return [(f.kind, f.source, f.where) for f in found.faults if f.caught is Caught.NO]


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A user's own workspace with a few good files."""
    settings = workspace(tmp_path)
    few_files(settings)
    return settings


def digest(*folders: Path) -> dict[str, str]:
    """Every file below the folders with the hash of its bytes."""
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_shipped_contracts_catch_every_kind_of_fault_on_the_sample(tmp_path: Path) -> None:
    settings = workspace(tmp_path / "state", sample=True)
    settings = Settings(ROOT, ROOT, settings.landing, tmp_path / "sample", "", "", sample=True)
    assert command(settings, "run", "--sample").code == 0
    ended = command(settings, "doctor", "--inject", "--sample", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = ended.document
    assert [fault for fault in found["faults"] if fault["caught"] != "yes"] == []
    assert {fault["kind"] for fault in found["faults"]} == set(FaultKind) - OF_OTHER_CONTRACTS
    assert {copy["source"] for copy in found["copies"]} == {
        "crm_customers", "customers", "customers_test", "erp_sales",
    }  # fmt: skip
    assert all(copy["from_file"] for copy in found["copies"])
    assert not list((settings.files / "inject").glob("*"))


def test_the_table_names_each_fault_with_what_caught_it_and_its_counts(own: Settings) -> None:
    assert command(own, "run").code == 0
    ended = command(own, "doctor", "--inject")
    assert ended.code == 0, ended
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert (
        "below minimum erp_sales quantity, line 10 minimum 1 yes quarantine: quantity is below 1 120 1"
        in lines
    )
    assert any(line.startswith("NUL byte erp_sales line ") and "a NUL byte" in line for line in lines)
    assert "NOT CAUGHT" not in ended.out


def test_the_warehouse_the_ledger_and_the_files_of_the_user_stay_as_they_are(own: Settings) -> None:
    with opened(own) as service:
        run(service)
        copies = copies_of(partial(perform_by_name, service), own)
        (own.files / "inject.lock").touch()
        before = digest(own.state, own.landing, own.project)
        assert inject(copies, own).well
        assert digest(own.state, own.landing, own.project) == before
        assert len(service.batches()) == 2


def test_rules_that_were_taken_out_are_told_as_faults_that_nothing_catches(own: Settings) -> None:
    contract = own.project / "contracts" / "erp_sales.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    text = text.replace("        logicalTypeOptions: {minimum: 1}\n", "")
    text = text.replace(
        "          - {property: amount, value: USD} # takes part in the money account, in this currency\n", ""
    )
    contract.write_text(text, encoding="utf-8")
    gold = own.project / "gold" / "product_analytics.sql"
    without = gold.read_text(encoding="utf-8").replace(
        "-- reconcile: total_revenue = silver.sales_clean.sale_amount\n", ""
    )
    gold.write_text(without, encoding="utf-8")
    assert command(own, "run").code == 0
    ended = command(own, "doctor", "--inject", "--json")
    assert ended.code == 1
    not_caught = [
        (f["kind"], f["source"], f["where"], f["note"])
        for f in ended.document["faults"]
        if f["caught"] == "no"
    ]
    assert not_caught == [
        ("below minimum", "erp_sales", "quantity, line 18", "its row was taken for valid"),
        ("amount changed in silver", "silver.sales_clean", "sale_amount by 0.01", "it was published"),
        ("number altered in gold", "gold.product_analytics", "total_revenue by 0.01", "it was published"),
    ]


def test_an_engine_that_does_not_close_its_accounts_is_found_out(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "require_closed", lambda *_: None)
    found = missed(injected(own))
    kinds = {kind for kind, _, _ in found}
    assert {FaultKind.LOST_ROW, FaultKind.AMOUNT, FaultKind.LOST_LINE} <= kinds
    assert (FaultKind.LOST_ROW, "silver.sales_clean", "one row") in found


def test_a_file_that_is_gone_is_written_again_from_bronze(own: Settings) -> None:
    with opened(own) as service:
        run(service)
        (own.landing / "erp" / "erp_sales.csv").unlink()
        (own.landing / "crm" / "crm_customers.csv").write_text("something else", encoding="utf-8")
        copies = copies_of(partial(perform_by_name, service), own)
    assert [(copy.copied.source, copy.copied.from_file) for copy in copies] == [
        ("crm_customers", False),
        ("erp_sales", False),
    ]
    sales = next(copy for copy in copies if copy.contract.source == "erp_sales")
    assert sales.content.decode().splitlines()[1] == "1,10,1,1,2026-01-05,40.00"
    assert inject(copies, own).well


def test_parents_that_came_with_older_files_are_copied_too(own: Settings) -> None:
    with opened(own) as service:
        run(service)
        land(own, "crm/crm_customers_2.csv", CUSTOMERS + "4,Di,di@example.com,EAST\n")
        run(service)
        land(own, "erp/erp_sales_2.csv", SALES + "5,10,2,1,2026-03-01,5.00\n")
        run(service)
        copies = copies_of(partial(perform_by_name, service), own)
        customers = next(copy for copy in copies if copy.contract.source == "crm_customers")
    assert customers.parents.decode() == CUSTOMERS + "2,Bo,bo@example.com,EAST\n"
    found = inject(copies, own)
    assert found.well
    assert any(f.source == "erp_sales" and f.kind is FaultKind.BELOW for f in found.faults)


def test_faults_are_planted_in_the_newest_file_that_has_a_sound_row(own: Settings) -> None:
    with opened(own) as service:
        run(service)
        land(own, "erp/erp_sales_2.csv", SALES + "9,10,99,1,2026-03-01,5.00\n")
        run(service)
        copies = copies_of(partial(perform_by_name, service), own)
    assert [copy.copied.path for copy in copies] == ["crm/crm_customers.csv", "erp/erp_sales.csv"]


def test_a_source_without_a_valid_row_is_told_as_not_tried(own: Settings) -> None:
    left = own.files / "inject" / "state" / "warehouse.duckdb"  # by a kill
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    land(own, "erp/erp_sales.csv", SALES + "1,10,99,1,2026-01-05,40.00\n")
    found = injected(own)
    (untried,) = [f for f in found.faults if f.caught is Caught.UNTRIED and f.source == "erp_sales"]
    assert "valid" in untried.note
    assert not any(f.source == "erp_sales" and f.kind is FaultKind.BELOW for f in found.faults)
    assert not left.exists()


def test_two_at_a_time_do_not_disturb_each_other(own: Settings) -> None:
    assert command(own, "run").code == 0
    with (own.files / "inject.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = command(own, "doctor", "--inject", "--json")
    assert ended.code == 1
    assert "at work in this workspace already" in ended.document["error"]["message"]


def test_before_anything_has_landed_there_is_nothing_to_copy(tmp_path: Path) -> None:
    ended = command(workspace(tmp_path), "doctor", "--inject", "--json")
    assert ended.code == 2
    assert "nothing to copy" in ended.document["error"]["message"]


STRANGE = """\
apiVersion: v3.1.0
kind: DataContract
id: shop_returns
version: 1.0.0
servers:
  - server: landing
    type: local
    path: shop/returns.csv
    format: csv
    customProperties:
      - {property: delimiter, value: ";"}
      - {property: encoding, value: cp1252}
schema:
  - name: shop_returns
    physicalName: returns_clean
    dataGranularityDescription: one row per return (return_id)
    properties:
      - {name: return_id, logicalType: integer, primaryKey: true, required: true}
      - name: slip
        logicalType: string
        required: true
        unique: true
        logicalTypeOptions: {minLength: 3, maxLength: 8}
      - name: grade
        logicalType: string
        quality:
          - {metric: invalidValues, arguments: {validValues: [A, B]}, mustBe: 0, severity: warn}
      - name: returned_on
        logicalType: date
        required: true
        customProperties:
          - {property: formats, value: [DD.MM.YYYY]}
      - name: refund
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: 0, maximum: 500}
        customProperties:
          - {property: decimalComma, value: true}
          - {property: amount, value: EUR}
    quality:
      - type: sql
        name: graded_when_dear
        query: select count(*) from ${table} where refund > 400 and grade is null
        mustBe: 0
"""


def test_a_contract_of_another_kind_catches_what_it_promises(own: Settings) -> None:
    (own.project / "contracts" / "shop_returns.odcs.yaml").write_text(STRANGE, encoding="utf-8")
    rows = "return_id;slip;grade;returned_on;refund\n1;abc;A;05.01.2026;12,50\n2;äbd;B;06.01.2026;8,00\n"
    land(own, "shop/returns.csv", rows.encode("cp1252"))
    found = injected(own)
    assert missed(found) == []
    of_it = {f.kind for f in found.faults if f.source == "shop_returns" and f.caught is Caught.YES}
    assert {
        FaultKind.SHORT, FaultKind.LONG, FaultKind.STRANGE, FaultKind.NO_SUCH_DAY, FaultKind.ABOVE,
        FaultKind.BELOW, FaultKind.DECIMALS, FaultKind.SAME_VALUE, FaultKind.BAD_BYTES, FaultKind.RESENT,
    } <= of_it  # fmt: skip
    assert any(f.kind is FaultKind.OWN_RULE and f.caught is Caught.UNTRIED for f in found.faults)


PLACES = """\
apiVersion: v3.1.0
kind: DataContract
id: places
version: 1.0.0
servers: [{server: landing, type: local, path: "shop/places*.csv", format: csv}]
schema:
  - name: places
    physicalName: places_clean
    dataGranularityDescription: one row per place
    properties:
      - {name: region, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: place_no, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, required: true}
      - {name: title, logicalType: string, quality: [{metric: nullValues, mustBe: 0, severity: block}]}
    quality:
      - metric: duplicateValues
        arguments: {properties: [region, place_no]}
        mustBe: 0
        severity: block
"""
STOCK = """\
apiVersion: v3.1.0
kind: DataContract
id: stock
version: 1.0.0
servers: [{server: landing, type: local, path: shop/stock.csv.gz, format: csv}]
schema:
  - name: stock
    physicalName: stock_clean
    dataGranularityDescription: one row per item and place
    relationships:
      - {type: foreignKey, from: [stock.region, stock.place_no], to: [places.region, places.place_no]}
    properties:
      - {name: item, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: region, logicalType: string, primaryKey: true, primaryKeyPosition: 2, required: true}
      - {name: place_no, logicalType: integer, primaryKey: true, primaryKeyPosition: 3, required: true}
      - name: counted_at
        logicalType: timestamp
        required: true
        logicalTypeOptions: {minimum: "2020-01-01T00:00:00Z"}
      - {name: sealed, logicalType: boolean}
"""


def test_keys_of_several_columns_packed_files_and_rules_that_block_are_tried_too(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    for name, text in (("places", PLACES), ("stock", STOCK)):
        (settings.project / "contracts" / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")
    land(settings, "shop/places.csv", "region,place_no,title\nN,1,One\nN,2,Two\n")
    stock = "item,region,place_no,counted_at,sealed\na,N,1,2026-01-05 10:00:00,true\nb,N,2,2026-01-06 10:00:00,no\n"
    land(settings, "shop/stock.csv.gz", gzip.compress(stock.encode()))
    found = injected(settings)
    assert missed(found) == []
    caught = {(f.kind, f.source, f.where.partition(",")[0]): f.caught_by for f in found.faults if f.caught_by}
    assert (
        caught[FaultKind.ORPHAN, "stock", "region"]
        == "quarantine: region and place_no are not a known places"
    )
    assert caught[FaultKind.MISSING, "places", "title"] == "check: title_present"
    assert caught[FaultKind.SAME_KEY, "places", "region"] == "check: key_once_per_file"
    too_few = {f.kind for f in found.faults if f.source == "places" and f.caught is Caught.UNTRIED}
    assert too_few == {FaultKind.DROP, FaultKind.DOUBLING, FaultKind.HEADER_ONLY}
    assert (FaultKind.EARLY, "stock", "counted_at") in caught
    assert (FaultKind.LOST_ROW, "silver.stock_clean", "one row") in caught
