"""Column types that mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

# In the order of their characters' codes everywhere, whatever language the server of a PostgreSQL sorts in.
String = sa.String().with_variant(sa.String(collation="C"), "postgresql")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware datetime, kept in UTC to the microsecond. A naive one is refused with ValueError."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """The same moment in UTC. SQLite has no zones: there it is left off, and text order is time order."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """The moment as an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(sa.TypeDecorator[Decimal]):
    """A decimal kept digit by digit as text: SQLite would turn NUMERIC into a float."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> str | None:
        """All digits, without an exponent."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Decimal | None:
        """The decimal as it was given, trailing zeros included."""
        return None if value is None else Decimal(value)


def json_text(value: Any) -> str:
    """As it is kept. Samples of failing rows carry decimals and dates; as text they keep every digit."""
    return json.dumps(value, default=str, ensure_ascii=False)
