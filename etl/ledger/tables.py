"""The ledger's tables. A change here needs a file in migrations/versions and its name in `schema.REVISIONS`.

Copies of what the warehouse knows (checks, accounts, table versions, timings, reports) carry no foreign key:
they must survive a ledger that was lost and started anew.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from etl.ledger.types import Exact, String, Text, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row per run. `request_key` says what was asked for, so that the same wish is queued once.
runs = Table(
    "runs",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("pipeline", String, nullable=False),
    Column("targets", JSON, nullable=False),
    Column("full", Boolean, nullable=False),
    Column("downstream", Boolean, nullable=False),
    Column("from_run", ForeignKey("runs.run_id")),
    Column("trigger", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("request_key", String, nullable=False),
    Column("state", String, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("version", Integer),
    Column("error", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
)
# The database itself holds both promises: a wish is queued once, and one run works at a time.
Index(
    "uq_runs_queued",
    runs.c.request_key,
    unique=True,
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)
Index(
    "uq_runs_running",
    runs.c.state,
    unique=True,
    sqlite_where=text("state = 'running'"),
    postgresql_where=text("state = 'running'"),
)
Index("ix_runs_pipeline_run_id", runs.c.pipeline, runs.c.run_id)

# One row per step of a run, in plan order.
tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("layer", String, nullable=False),
    Column("table_name", String, nullable=False, key="table"),
    Column("parent", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("rows", BigInteger),
    Column("message", Text, nullable=False),
    UniqueConstraint("run_id", "position"),
)
Index("ix_tasks_table_name_task_id", tasks.c.table, tasks.c.task_id)

# One row per try at a task, from 1.
attempts = Table(
    "attempts",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("error", Text, nullable=False),
)

# One row per pipeline that was ever paused or scheduled. `since`: when its cron came into force.
pipelines = Table(
    "pipelines",
    metadata,
    Column("name", String, primary_key=True),
    Column("paused", Boolean, nullable=False),
    Column("cron", String, nullable=False),
    Column("since", UtcTime),
)

# One row per due time of a schedule; a long absence is one row with first, last and count.
ticks = Table(
    "ticks",
    metadata,
    Column("tick_id", Integer, primary_key=True),
    Column("pipeline", String, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("last_due_at", UtcTime),
    Column("count", Integer, nullable=False),
    Column("outcome", String, nullable=False),
    Column("run_id", ForeignKey("runs.run_id")),
    Column("reason", Text, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    UniqueConstraint("pipeline", "due_at"),
)

# One row per check and examination.
check_results = Table(
    "check_results",
    metadata,
    Column("result_id", Integer, primary_key=True),
    Column("check_name", String, nullable=False, key="check"),
    Column("table_name", String, nullable=False, key="table"),
    Column("severity", String, nullable=False),
    Column("state", String, nullable=False),
    Column("examined", BigInteger, nullable=False),
    Column("failing", BigInteger, nullable=False),
    Column("duration_seconds", Float, nullable=False),
    Column("query", Text, nullable=False),
    Column("sample", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("examined_at", UtcTime, nullable=False),
)
Index("ix_check_results_newest", check_results.c.table, check_results.c.check, check_results.c.result_id)

# One row per version, source and batch; batch_id "" is the source's total.
row_accounts = Table(
    "row_accounts",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("source", String, primary_key=True),
    Column("batch_id", String, primary_key=True),
    *(
        Column(name, BigInteger, nullable=False)
        for name in ("lines", "header_lines", "bronze", "continuation_lines", "unreadable", "blank")
    ),
    Column("bronze_only", Boolean, nullable=False),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            "corrections",
            "silver",
            "superseded",
            "quarantined",
            "discarded",
            "withdrawn",
            "pending",
        )
    ),
)

# One row per version, source, batch and amount column.
money_accounts = Table(
    "money_accounts",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("source", String, primary_key=True),
    Column("batch_id", String, primary_key=True),
    Column("column_name", String, primary_key=True, key="column"),
    Column("currency", String, nullable=False),
    *(
        Column(name, Exact, nullable=False)
        for name in (
            "bronze",
            "corrections",
            "silver",
            "superseded",
            "quarantined",
            "discarded",
            "withdrawn",
            "pending",
        )
    ),
    Column("rows_without_amount", BigInteger, nullable=False),
)

# One row per table and version in which it was published.
table_versions = Table(
    "table_versions",
    metadata,
    Column("table_name", String, primary_key=True, key="table"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Integer, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("published_at", UtcTime, nullable=False),
)

# One row per run and stage.
timings = Table(
    "timings",
    metadata,
    Column("timing_id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("stage", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("rows", BigInteger),
    Column("peak_memory_bytes", BigInteger),
    Column("cpu_seconds", Float),
)
Index("ix_timings_run_id", timings.c.run_id)

# One row per kept validation report.
reports = Table(
    "reports",
    metadata,
    Column("report_id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("headline", Text, nullable=False),
    Column("body", JSON, nullable=False),
)

# Small facts about this workspace, such as `dirty_sample = on`.
marks = Table(
    "marks",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# One row per source and day (UTC) that a person marked as an incident.
incidents = Table(
    "incidents",
    metadata,
    Column("source", String, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("marked_by", String, nullable=False, key="by"),
    Column("at", UtcTime, nullable=False),
)

# One row per request to mend. The warehouse keeps what it came to; this is the way to the engine.
mends = Table(
    "mends",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("mend_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("source", String, nullable=False),
    Column("batch_id", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("state", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("run_id", Integer),
)
Index("ix_mends_state", mends.c.state)

# One row per thing a person did.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("detail", Text, nullable=False),
)

# One row per thing that one process at a time may hold; so far that is `engine`. Who holds it is decided elsewhere:
# this is for people to see.
lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("address", String, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("released_at", UtcTime),
)

# One row: how many transactions have changed something.
changes = Table(
    "changes",
    metadata,
    Column("name", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
