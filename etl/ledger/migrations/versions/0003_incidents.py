"""Days that were marked as incidents of a source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "incidents",
        sa.Column("source", _STRING, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("marked_by", _STRING, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "day", name=op.f("pk_incidents")),
    )
