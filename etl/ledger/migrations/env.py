"""Runs the migrations on the connection that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

from etl.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The caller's BEGIN holds on SQLite too, so a migration that fails half-way leaves nothing behind.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
