"""What can be typed, what is refused, and that help costs nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from etl.cli import main
from etl.cli.arguments import Misused, parse
from etl.cli.output import Output
from etl.cli.running import ACTIONS, COMMANDS
from etl.cli.tables import cell, table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "line",
    ["--sample --json status", "status --sample --json", "--sample status --json", "status --json --sample"],
)
def test_sample_and_json_are_taken_before_and_after_the_command(line: str) -> None:
    arguments = parse(line.split())
    assert (arguments.command, arguments.sample, arguments.json) == ("status", True, True)


def test_sample_and_json_are_taken_after_an_action() -> None:
    arguments = parse(["quarantine", "export", "erp_sales", "--sample", "--json"])
    assert (arguments.source, arguments.sample, arguments.json) == ("erp_sales", True, True)


def test_without_them_it_is_the_users_own_workspace_in_words() -> None:
    arguments = parse(["status"])
    assert (arguments.sample, arguments.json) == (False, False)


def test_run_takes_targets_and_how() -> None:
    arguments = parse(
        ["run", "gold", "sales_clean", "--full", "--downstream", "--from-run", "4", "--dry-run"]
    )
    assert arguments.targets == ["gold", "sales_clean"]
    assert (arguments.full, arguments.downstream, arguments.from_run, arguments.dry_run) == (
        True,
        True,
        4,
        True,
    )


@pytest.mark.parametrize(("text", "share"), [("0.02", 0.02), ("2%", 0.02), ("0", 0.0)])
def test_dirt_is_a_share_or_a_percentage(text: str, share: float) -> None:
    assert parse(["generate", "--out", "x", "--dirt", text]).dirt == pytest.approx(share)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nosuch", "nosuch"),
        ("cancel x", "'x' is not a whole number"),
        ("cancel -3", "RUN"),
        ("cancel ³", "'³' is not a whole number"),
        ("up --port 70000", "70000 is no port"),
        ("up --port 0", "0 is no port"),
        ("report --format pdf", "pdf"),
        ("query", "SQL"),
        ("generate", "--out"),
        ("generate --out x --dirt much", "'much' is no share"),
        ("quarantine", "ACTION"),
        ("quarantine replay", "SOURCE"),
        ("quarantine replay erp_sales", "FILE"),
        ("quarantine replay erp_sales mended.csv --row a:2 --set x=1", "either FILE"),
        ("quarantine replay erp_sales mended.csv --set x=1", "belong to --row"),
        ("quarantine replay erp_sales --row a:2", "--set COLUMN=VALUE or --raw TEXT"),
        ("quarantine replay erp_sales --row a:2 --set x=1 --raw x", "--set COLUMN=VALUE or --raw TEXT"),
        ("quarantine replay erp_sales --row a:2 --set x", "'x' sets nothing"),
        ("quarantine replay erp_sales --row a --set x=1", "'a' is no row; give BATCH:LINE[:N]"),
        ("quarantine replay erp_sales --row a:x --set x=1", "'x' is not a whole number"),
        ("quarantine discard erp_sales --all", "--reason"),
        ("quarantine discard erp_sales --all --reason ''", "it is empty"),
        ("quarantine discard erp_sales --reason late", "Name the rows"),
        ("quarantine discard erp_sales --all --row a:2 --reason late", "Name the rows"),
        ("quarantine discard erp_sales --all --batch a --reason late", "Name the rows"),
        ("quarantine restore erp_sales", "Name the rows"),
        ("quarantine list erp_sales --state gone", "gone"),
        ("batches withdraw 3", "--reason"),
        ("batches withdraw '' --reason wrong", "it is empty"),
        ("batches reinstate", "BATCH"),
        ("status --colour", "--colour"),
    ],
)
def test_what_makes_no_command_is_refused_by_name(line: str, fault: str) -> None:
    with pytest.raises(Misused) as misused:
        parse(shlex.split(line))
    assert fault in str(misused.value)


def test_a_wrong_command_exits_2_with_one_message_and_the_valid_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["nosuch"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("metalayer: ")
    assert "'quarantine'" in err
    assert "Traceback" not in err


def test_a_wrong_command_with_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nosuch", "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["kind"], error["exit_code"], err) == ("UsageError", 2, "")


def test_every_command_that_can_be_typed_exists() -> None:
    with pytest.raises(Misused) as misused:
        parse(["nosuch"])
    for command in COMMANDS:
        assert f"'{command}'" in str(misused.value)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_that_can_be_typed_exists(action: str) -> None:
    command, name = action.split()
    with pytest.raises(Misused) as misused:
        parse([command, "nosuch"])
    assert f"'{name}'" in str(misused.value)
    module, function = ACTIONS[action].split(":")
    assert callable(getattr(import_module(module), function))


def test_a_row_is_a_batch_a_line_and_the_number_of_its_correction() -> None:
    line = "quarantine discard erp_sales --row a1b2:17 --row a1b2:18:2 --reason late"
    assert parse(line.split()).row == [("a1b2", 17, 0), ("a1b2", 18, 2)]


def test_what_a_column_is_set_to_may_hold_an_equals_sign_or_nothing() -> None:
    line = "quarantine replay erp_sales --row a:2 --set region=a=b --set email="
    assert parse(line.split()).set == [("region", "a=b"), ("email", "")]


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from etl.cli.arguments import _parser; _parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "duckdb",
        "sqlalchemy",
        "ibis",
        "pandas",
        "streamlit",
        "rich",
        "dataclasses",
        "decimal",
    }


def test_help_is_on_stdout_and_exits_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etl", "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "quarantine" in done.stdout


def test_nothing_in_a_file_can_steer_the_terminal() -> None:
    assert cell("a\x1b[2Jb\r\n\u202ec") == "a\\x1b[2Jb\\r\\n\\u202ec"


def test_a_table_in_a_pipe_is_plain_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table(Output(as_json=False), ("Name", "Rows"), [("x" * 300, 1234), ("[red]y", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"{'x' * 300}  1,234"
    assert lines[2].startswith("[red]y")
    assert "\x1b" not in "".join(lines)


def test_a_table_without_rows_shows_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table(Output(as_json=False), ("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n"


def test_what_a_library_prints_does_not_get_into_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    print("progress 10 %")
    output.document({"a": 1})
    output.close()
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": 1}
    assert err == "progress 10 %\n"
