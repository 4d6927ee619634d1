"""The first ledger: runs, tasks, schedules, copies of results, reports, marks, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration keeps to plain types: the code's own may change later, this file may not.
_TIME = sa.DateTime(timezone=True)
_MONEY = sa.String()
_STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create every table."""
    _runs()
    _tasks()
    _attempts()
    _pipelines()
    _ticks()
    _check_results()
    _row_accounts()
    _money_accounts()
    _table_versions()
    _timings()
    _reports()
    _marks()
    _audit()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pipeline", _STRING, nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("downstream", sa.Boolean(), nullable=False),
        sa.Column("from_run", sa.Integer(), nullable=True),
        sa.Column("trigger", _STRING, nullable=False),
        sa.Column("requested_by", _STRING, nullable=False),
        sa.Column("request_key", _STRING, nullable=False),
        sa.Column("state", _STRING, nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("error", _TEXT, nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["from_run"], ["runs.run_id"], name=op.f("fk_runs_from_run_runs")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_pipeline_run_id", "runs", ["pipeline", "run_id"], unique=False)
    op.create_index(
        "uq_runs_queued",
        "runs",
        ["request_key"],
        unique=True,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_runs_running",
        "runs",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", _STRING, nullable=False),
        sa.Column("layer", _STRING, nullable=False),
        sa.Column("table_name", _STRING, nullable=False),
        sa.Column("parent", _STRING, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("state", _STRING, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("message", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_tasks_run_id_runs")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("run_id", "position", name=op.f("uq_tasks_run_id_position")),
    )
    op.create_index("ix_tasks_table_name_task_id", "tasks", ["table_name", "task_id"], unique=False)


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", _STRING, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("error", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.task_id"], name=op.f("fk_attempts_task_id_tasks")),
        sa.PrimaryKeyConstraint("task_id", "number", name=op.f("pk_attempts")),
    )


def _pipelines() -> None:
    op.create_table(
        "pipelines",
        sa.Column("name", _STRING, nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("cron", _STRING, nullable=False),
        sa.Column("since", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pipelines")),
    )


def _ticks() -> None:
    op.create_table(
        "ticks",
        sa.Column("tick_id", sa.Integer(), nullable=False),
        sa.Column("pipeline", _STRING, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("last_due_at", _TIME, nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("outcome", _STRING, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_ticks_run_id_runs")),
        sa.PrimaryKeyConstraint("tick_id", name=op.f("pk_ticks")),
        sa.UniqueConstraint("pipeline", "due_at", name=op.f("uq_ticks_pipeline_due_at")),
    )


def _check_results() -> None:
    op.create_table(
        "check_results",
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("check_name", _STRING, nullable=False),
        sa.Column("table_name", _STRING, nullable=False),
        sa.Column("severity", _STRING, nullable=False),
        sa.Column("state", _STRING, nullable=False),
        sa.Column("examined", sa.BigInteger(), nullable=False),
        sa.Column("failing", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.Float(), nullable=False),
        sa.Column("query", _TEXT, nullable=False),
        sa.Column("sample", sa.JSON(), nullable=False),
        sa.Column("message", _TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("examined_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_check_results")),
    )
    op.create_index(
        "ix_check_results_newest", "check_results", ["table_name", "check_name", "result_id"], unique=False
    )


def _row_accounts() -> None:
    op.create_table(
        "row_accounts",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", _STRING, nullable=False),
        sa.Column("batch_id", _STRING, nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("header_lines", sa.BigInteger(), nullable=False),
        sa.Column("bronze", sa.BigInteger(), nullable=False),
        sa.Column("continuation_lines", sa.BigInteger(), nullable=False),
        sa.Column("unreadable", sa.BigInteger(), nullable=False),
        sa.Column("blank", sa.BigInteger(), nullable=False),
        sa.Column("bronze_only", sa.Boolean(), nullable=False),
        sa.Column("corrections", sa.BigInteger(), nullable=False),
        sa.Column("silver", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("discarded", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", "source", "batch_id", name=op.f("pk_row_accounts")),
    )


def _money_accounts() -> None:
    op.create_table(
        "money_accounts",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", _STRING, nullable=False),
        sa.Column("batch_id", _STRING, nullable=False),
        sa.Column("column_name", _STRING, nullable=False),
        sa.Column("currency", _STRING, nullable=False),
        sa.Column("bronze", _MONEY, nullable=False),
        sa.Column("corrections", _MONEY, nullable=False),
        sa.Column("silver", _MONEY, nullable=False),
        sa.Column("superseded", _MONEY, nullable=False),
        sa.Column("quarantined", _MONEY, nullable=False),
        sa.Column("discarded", _MONEY, nullable=False),
        sa.Column("withdrawn", _MONEY, nullable=False),
        sa.Column("pending", _MONEY, nullable=False),
        sa.Column("rows_without_amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "version", "source", "batch_id", "column_name", name=op.f("pk_money_accounts")
        ),
    )


def _table_versions() -> None:
    op.create_table(
        "table_versions",
        sa.Column("table_name", _STRING, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", _STRING, nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("published_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("table_name", "version", name=op.f("pk_table_versions")),
    )


def _timings() -> None:
    op.create_table(
        "timings",
        sa.Column("timing_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("stage", _STRING, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("cpu_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("timing_id", name=op.f("pk_timings")),
    )
    op.create_index("ix_timings_run_id", "timings", ["run_id"], unique=False)


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("headline", _TEXT, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_reports")),
    )


def _marks() -> None:
    op.create_table(
        "marks",
        sa.Column("name", _STRING, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("who", _STRING, nullable=False),
        sa.Column("what", _STRING, nullable=False),
        sa.Column("detail", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
    )
