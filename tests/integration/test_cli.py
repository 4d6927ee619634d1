"""The command line as its users meet it: real processes, real exit codes, one document on stdout."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from etl.generate import Recipe, generate
from etl.settings import Settings
from tests.commands import Ended, command, environment
from tests.workspaces import few_files, land, workspace

MINUTE = 60.0


def start(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments],
        env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def process(settings: Settings, *arguments: str) -> Ended:
    """A command as a process of its own: nothing at all may slip past the capture."""
    with start(settings, *arguments) as started:
        out, err = started.communicate(timeout=2 * MINUTE)
    return Ended(started.returncode, out, err)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The sample, built by `run --sample --json` on a fresh state folder."""
    settings = workspace(tmp_path_factory.mktemp("cli-sample") / "state", sample=True)
    settings = replace(settings, state=settings.state.parent / "sample")
    first = process(settings, "run", "--sample", "--json")
    assert (first.code, first.err) == (0, ""), first
    (settings.project / "first.json").write_text(first.out, encoding="utf-8")
    return settings


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """A user's own workspace with a few good files."""
    settings = workspace(tmp_path)
    few_files(settings)
    return settings


def test_a_fresh_sample_run_publishes_the_figures_it_is_known_for(sample: Settings) -> None:
    document = json.loads((sample.project / "first.json").read_text(encoding="utf-8"))
    assert document["run"]["state"] == "succeeded"
    assert document["layers"] == {"bronze": 20_003, "silver": 20_000, "gold": 4_576}
    assert document["tables"]["gold.customer_analytics"] == 9
    assert document["accounts"]["closes"] is True
    assert document["accounts"]["money"][0]["silver"] == "2066057.34"
    assert document["refused"] == []
    assert document["verdict"]["ready"] is True


def test_a_second_run_adds_nothing_and_is_a_success(sample: Settings) -> None:
    before = command(sample, "status", "--sample", "--json").document
    again = command(sample, "run", "--sample", "--json")
    assert again.code == 0
    assert again.document["version"] == before["workspace"]["version"]
    assert again.document["tables"] == {table["name"]: table["rows"] for table in before["tables"]}


@pytest.mark.parametrize(
    "line",
    [
        "status", "runs", "runs 1", "sources", "batches list", "quarantine list", "quarantine list erp_sales",
        "quarantine export erp_sales", "explain sales_clean 5", "doctor", "report", "version", "contract check",
        "run gold --dry-run", "pause master_etl_orchestrator", "resume master_etl_orchestrator",
    ],
)  # fmt: skip
def test_json_is_one_document_and_nothing_else(sample: Settings, line: str) -> None:
    ended = command(sample, *line.split(), "--sample", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document is not None


@pytest.mark.parametrize(
    "line",
    [
        "status", "runs", "runs 1", "sources", "batches list", "quarantine list", "quarantine export erp_sales",
        "explain sales_clean 5", "doctor", "report", "report --format html", "report --format json", "version",
        "contract check", "run gold --dry-run", "query 'select'",
    ],
)  # fmt: skip
def test_words_are_plain_in_a_pipe(sample: Settings, line: str) -> None:
    arguments = ["query", "select 1"] if line.startswith("query") else line.split()
    ended = command(sample, *arguments, "--sample")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("query", "drop table silver.sales_clean"), "SELECT"),
        (("runs", "99"), "99"),
        (("run", "nosuch"), "nosuch"),
        (("run", "--from-run", "99"), "99"),
        (("quarantine", "list", "nosuch"), "nosuch"),
        (("explain", "nosuch", "1"), "nosuch"),
        (("pause", "nosuch"), "nosuch"),
    ],
)
def test_what_does_not_exist_exits_2_and_says_what_does(
    sample: Settings, arguments: tuple[str, ...], word: str
) -> None:
    ended = command(sample, *arguments, "--sample", "--json")
    error = ended.document["error"]
    assert (ended.code, ended.err) == (2, "")
    assert word in error["message"]
    assert error["hint"]
    in_words = command(sample, *arguments, "--sample")
    assert (in_words.code, in_words.out) == (2, "")
    assert in_words.err == f"metalayer: {error['message']}\n  {error['hint']}\n"


@pytest.mark.parametrize("line", ["status", "query", "runs 99", "contract check"])
def test_a_process_writes_its_document_to_stdout_and_nothing_to_stderr(sample: Settings, line: str) -> None:
    arguments = ["query", "select 1 as a"] if line == "query" else line.split()
    ended = process(sample, *arguments, "--sample", "--json")
    assert (ended.code, ended.err) == (2 if "99" in line else 0, "")
    assert ended.document


def test_query_answers_in_three_forms_with_every_cent(sample: Settings) -> None:
    sql = "select region, total_revenue, last_sale_date from gold.customer_analytics order by 2 desc limit 1"
    as_json = command(sample, "query", sql, "--sample", "--json").document
    assert list(as_json[0]) == ["region", "total_revenue", "last_sale_date"]
    assert as_json[0]["total_revenue"] == "448428.24"
    assert len(as_json[0]["last_sale_date"]) == len("2026-01-31")
    assert json.loads(command(sample, "query", sql, "--sample", "--format", "json").out) == as_json
    as_csv = command(sample, "query", sql, "--sample", "--format", "csv").out
    assert list(csv.DictReader(io.StringIO(as_csv))) == as_json
    assert "448428.24" in command(sample, "query", sql, "--sample").out


def test_a_cut_answer_says_so_on_stderr(sample: Settings) -> None:
    ended = command(sample, "query", "select * from silver.sales_clean", "--limit", "5", "--sample", "--json")
    assert len(ended.document) == 5
    assert "first 5 rows" in ended.err


def test_a_reader_that_has_seen_enough_is_no_fault(sample: Settings) -> None:
    with start(sample, "query", "select * from silver.sales_clean", "--sample") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(MINUTE) == 0
        assert process.stderr.read() == ""


def test_the_report_can_be_written_to_a_file(sample: Settings, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert command(sample, "report", "--sample", "--format", "html", "--out", str(page)).code == 0
    assert "2,066,057.34 USD" in page.read_text(encoding="utf-8")
    nowhere = command(sample, "report", "--sample", "--out", str(tmp_path / "none" / "r.md"))
    assert nowhere.code == 2
    assert "cannot be written" in nowhere.err


def test_a_dry_run_changes_nothing_and_gives_every_reason(own: Settings) -> None:
    planned = command(own, "run", "--dry-run", "--json")
    assert planned.code == 0
    assert all(step["why"] for step in planned.document["plan"]["steps"])
    assert command(own, "status", "--json").document["workspace"]["version"] == 0


def test_before_the_first_run_status_is_not_green_and_report_says_what_to_do(own: Settings) -> None:
    status = command(own, "status", "--json").document
    assert (status["verdict"]["ready"], status["verdict"]["state"]) == (False, "unexamined")
    report = command(own, "report")
    assert report.code == 1
    assert "./metalayer run" in report.err


def test_a_refused_file_is_named_and_exits_1_while_the_rest_is_published(own: Settings) -> None:
    land(own, "erp/erp_sales_bad.csv", b"\x00\x01\x02\xff binary")
    first = command(own, "run", "--json")
    assert first.code == 1
    assert [batch["path"] for batch in first.document["refused"]] == ["erp/erp_sales_bad.csv"]
    assert first.document["tables"]["silver.sales_clean"] == 4
    again = command(own, "run")
    assert again.code == 0, again
    assert "warning" in again.out


def test_quarantined_rows_are_no_failure_and_can_be_exported(own: Settings, tmp_path: Path) -> None:
    land(
        own,
        "erp/erp_sales_2.csv",
        "sales_id,product_id,customer_id,quantity,sale_date,sale_amount\n9,1,999,1,2026-02-01,5\n",
    )
    done = command(own, "run", "--json")
    assert done.code == 0
    assert done.document["quarantined"]["erp_sales"] == 1
    target = tmp_path / "rows.csv"
    assert command(own, "quarantine", "export", "erp_sales", "--out", str(target)).code == 0
    (row,) = csv.DictReader(io.StringIO(target.read_text(encoding="utf-8")))
    assert (row["customer_id"], row["sale_amount"]) == ("999", "5")
    assert row["_reasons"] == "customer_id is not a known crm_customers"
    listed = command(own, "quarantine", "list", "erp_sales", "--json").document
    assert listed["reasons"][0]["rows"] == 1
    assert listed["rows"][0]["sales_id"] == "9"


def test_a_broken_contract_is_told_with_file_and_line(own: Settings) -> None:
    contract = own.project / "contracts" / "erp_sales.odcs.yaml"
    contract.write_text(
        contract.read_text(encoding="utf-8").replace("required: true", "requird: true", 1), encoding="utf-8"
    )
    ended = command(own, "contract", "check", "--json")
    assert (ended.code, ended.err) == (2, "")
    problem = ended.document["problems"][0]
    assert "erp_sales.odcs.yaml" in problem["file"]
    assert problem["line"] > 1
    of_file = command(own, "contract", "check", str(contract))
    assert of_file.code == 2
    assert f"erp_sales.odcs.yaml:{problem['line']}" in of_file.out
    run = command(own, "run", "--json")
    assert run.code == 2
    assert run.document["error"]["problems"] == ended.document["problems"]
    doctor = command(own, "doctor", "--json")
    assert (doctor.code, doctor.document["well"]) == (1, False)


def test_a_single_contract_is_checked_without_a_project(own: Settings, tmp_path: Path) -> None:
    alone = tmp_path / "alone.odcs.yaml"
    shutil.copy(own.project / "contracts" / "crm_customers.odcs.yaml", alone)
    ended = command(own, "contract", "check", str(alone))
    assert (ended.code, ended.err) == (0, "")
    assert "crm_customers" in ended.out
    assert not own.state.exists()


def test_a_wrong_setting_is_named_with_its_source(own: Settings) -> None:
    (own.project / "notes").write_text("", encoding="utf-8")
    wrong = replace(own, landing=own.project / "notes")
    ended = command(wrong, "status", "--json")
    assert (ended.code, ended.err) == (2, "")
    assert "METALAYER_LANDING" in ended.document["error"]["message"]


def test_a_fault_nobody_foresaw_is_short_on_the_screen_and_whole_in_the_log(own: Settings) -> None:
    own.state.mkdir(parents=True)
    (own.state / "engine.json").mkdir()
    ended = command(own, "status")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "Traceback" in (own.state / "logs" / "commands.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_cancels_the_run_and_the_next_one_goes_through(own: Settings, number: int, code: int) -> None:
    # Seconds of work, so that there is a run to cancel.
    generate(Recipe(customers=20_000, sales=1_000_000), own.landing, suffix="_many")
    with start(own, "run", "--json") as process:
        wait_until_it_holds_the_warehouse(own)
        process.send_signal(number)
        out, err = process.communicate(timeout=MINUTE)
    assert process.returncode == code, (out, err)
    cancelled = re.search(r"Cancelling run (\d+)", err)
    assert cancelled, err
    assert "Traceback" not in err
    assert command(own, "runs", cancelled[1], "--json").document["run"]["state"] == "cancelled"
    again = command(own, "run", "--json")
    assert (again.code, again.document["tables"]["silver.sales_clean"]) == (0, 1_000_000)


def wait_until_it_holds_the_warehouse(settings: Settings) -> None:
    """Until the first files are landed, or on their way into the database: then the run is at work for certain."""
    give_up_at = time.monotonic() + MINUTE
    folder, kind = ("copy", "*.csv") if settings.on_postgres else ("bronze", "*.parquet")
    while not list((settings.files / folder).rglob(kind)):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


@pytest.mark.embedded
def test_a_command_waits_for_another_and_names_its_pid(own: Settings) -> None:
    assert command(own, "run").code == 0
    warehouse = str(own.state / "warehouse.duckdb")
    hold = f"import duckdb, time; c = duckdb.connect({warehouse!r}); print(1, flush=True); time.sleep(3)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        ended = command(own, "status", "--json")
    assert ended.code == 0
    assert f"held by process {holder.pid}" in ended.err
    assert ended.err.count("Waiting") == 1
    assert ended.document["workspace"]["version"] > 0


def test_generate_gives_the_same_bytes_for_the_same_seed(own: Settings, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        line = (
            "generate",
            "--customers",
            "50",
            "--sales",
            "70",
            "--dirt",
            "5%",
            "--seed",
            "3",
            "--out",
            str(tmp_path / folder),
        )
        made = command(own, *line, "--json")
        assert (made.code, made.err) == (0, "")
        assert made.document["rows"] == {"crm_customers": 50, "erp_sales": 70}
    for file in ("crm/crm_customers.csv", "erp/erp_sales.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_money_in_the_document_is_exact(own: Settings) -> None:
    money = command(own, "run", "--json").document["accounts"]["money"][0]
    assert Decimal(money["silver"]) == Decimal("100.00")
    assert isinstance(money["silver"], str)


def test_up_refuses_a_port_in_use_with_one_message_and_another_port(own: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command(own, "up", "--port", str(port))
    assert (ended.code, ended.out) == (2, "")
    assert f"127.0.0.1:{port} cannot be listened on" in ended.err
    assert f"--port {port + 1}" in ended.err
    assert not own.state.exists()


def test_up_refuses_a_host_that_is_not_this_machine(own: Settings) -> None:
    ended = command(own, "up", "--host", "192.0.2.1", "--json")
    assert (ended.code, ended.err) == (2, "")
    assert "192.0.2.1:8501 cannot be listened on" in ended.document["error"]["message"]
