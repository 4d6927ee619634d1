"""The ledger: the record of runs, tasks, schedules, ticks and audit; a copy of results and accounts.

It is the only meeting point of page, command, API and engine, in one process or in ten.
"""

from __future__ import annotations

from etl.ledger.incidents import Incidents
from etl.ledger.leases import Leases
from etl.ledger.mending import Mends
from etl.ledger.notes import Notes
from etl.ledger.pipelines import SCHEDULED, Pipelines
from etl.ledger.records import AuditEntry, KeptAccounts, LeaseEntry, NewTask, PipelineState
from etl.ledger.results import Results
from etl.ledger.runs import Runs
from etl.ledger.tasks import Tasks

__all__ = ["SCHEDULED", "AuditEntry", "KeptAccounts", "LeaseEntry", "Ledger", "NewTask", "PipelineState"]


class Ledger(Runs, Tasks, Pipelines, Results, Incidents, Mends, Notes, Leases):
    """Everything the engine remembers, in one SQLite file or one schema of a PostgreSQL. Threads and processes may
    share it.

    Every call is one short transaction and raises LedgerUnavailable when the ledger stays locked or out of reach,
    DiskFull, or LedgerError; all of them carry the database's own error as their cause.
    """
