"""Brings a ledger's schema to the revision of this code, and refuses one that this code does not know."""

from __future__ import annotations

import sqlalchemy as sa

from etl.errors import LedgerError
from etl.ledger.place import Place
from etl.ledger.tables import metadata

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision in migrations/versions, oldest first. Kept here so that a start needs no Alembic (0.4 s)."""

HEAD = REVISIONS[-1]

# The table in which Alembic keeps the revision, exactly as Alembic would make it.
_revision = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def stored_revision(connection: sa.Connection, place: Place) -> str | None:
    """The revision the database is at; None when it is empty. Raises LedgerError when it is no ledger."""
    names = sa.inspect(connection).get_table_names()
    if _revision.name in names:
        return connection.scalar(sa.select(_revision.c.version_num))
    if names:
        raise LedgerError(
            f"{place.name} is no MetaLayer ledger: it has a table {min(names)}.",
            place.another,
        )
    return None


def bring_to_head(connection: sa.Connection, place: Place) -> None:
    """Create or migrate inside the caller's writing transaction. Raises LedgerError for a newer ledger."""
    stored = stored_revision(connection, place)
    if stored == HEAD:
        return
    if stored is None:
        _create(connection)
    elif stored in REVISIONS:
        migrate(connection)
    else:
        raise LedgerError(
            f"The ledger {place.name} has revision {stored}; this MetaLayer knows revisions up to {HEAD}.",
            f"Update MetaLayer. {place.another}",
        )


def _create(connection: sa.Connection) -> None:
    # A test proves that these tables equal what the migrations make, so a first start need not load Alembic.
    metadata.create_all(connection)
    _revision.create(connection)
    connection.execute(_revision.insert().values(version_num=HEAD))


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Run every migration up to `revision` that the database has not had, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "etl.ledger:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
