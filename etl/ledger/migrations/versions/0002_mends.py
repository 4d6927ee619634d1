"""Requests to mend: corrections, discards, withdrawals, replays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "mends",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("mend_id", _STRING, nullable=False),
        sa.Column("kind", _STRING, nullable=False),
        sa.Column("source", _STRING, nullable=False),
        sa.Column("batch_id", _STRING, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("author", _STRING, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", _STRING, nullable=False),
        sa.Column("message", _TEXT, nullable=False),
        sa.Column("run_id", sa.Integer()),
        sa.PrimaryKeyConstraint("position", name="pk_mends"),
        sa.UniqueConstraint("mend_id", name="uq_mends_mend_id"),
    )
    op.create_index("ix_mends_state", "mends", ["state"])
