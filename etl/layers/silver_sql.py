"""Silver's statements as Ibis expressions: clean → typed → every broken rule → the newest valid version per key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import ibis
from ibis.expr import types as ir

from etl import expressions as phrases
from etl.layers.silver import PLACE, REPEATED, TYPED, Parent, SilverSQL
from etl.model import Column, Contract, Kind, Rule, Severity

BITS_PER_COLUMN = 60  # reasons that fit one whole-number column with room for the sign
SQL_BITS = "_broken_sql"


def compile_silver(
    contract: Contract, parents: Mapping[str, Parent], names: Mapping[str, str], dialect: str
) -> SilverSQL:
    """The statements for a contract. `parents` by column; `names` maps logical tables to how SQL reads them."""
    shaped = _Shape(contract, parents, dialect)
    statements = {
        "typed": shaped.typed(),
        "repeated": shaped.repeated(),
        "current": shaped.current(),
        "superseded": shaped.superseded(),
        "quarantined": shaped.quarantined(),
    }
    rendered = {name: _render(expression, dialect, names) for name, expression in statements.items()}
    rendered["typed"] = _with_sql_rules(rendered["typed"], shaped.sql_rules)
    amounts = tuple((c.name, _amount(c, dialect)) for c in contract.columns if c.amount)
    return SilverSQL(**rendered, reasons=shaped.reasons, amounts=amounts)


class _Shape:
    """The expressions of one contract."""

    def __init__(self, contract: Contract, parents: Mapping[str, Parent], dialect: str) -> None:
        self.contract = contract
        self.dialect = dialect
        self.parents = parents
        self.columns = contract.columns
        self.sql_rules = [rule for rule in contract.rules if rule.severity is Severity.QUARANTINE]
        self._valued = self._with_values()
        self.rules = self._all_rules(self._valued)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason a row of this contract can be quarantined for."""
        return (*(reason for reason, _ in self.rules), *(rule.name for rule in self.sql_rules))

    def bronze(self) -> ir.Table:
        """Bronze with the sequence number of each row's batch."""
        names = {column.name: "string" for column in self.columns}
        table = ibis.table(
            names | {"_batch_id": "string", "_row_number": "int64"},
            name=self.contract.bronze_table,
            database="bronze",
        )
        batches = ibis.table({"batch_id": "string", "batch_seq": "int64"}, name="_batches", database="bronze")
        joined = table.join(batches, table["_batch_id"] == batches["batch_id"])
        return joined.select(*names, *PLACE, _batch_seq=batches["batch_seq"])

    def _with_values(self) -> ir.Table:
        """Cleaned text (`<column>__text`), typed value and, for a foreign key, whether its parent is known."""
        bronze = self.bronze()
        texts = {_text(c): phrases.cleaned(bronze[c.name], c.cleaning) for c in self.columns}
        cleaned = bronze.select(*PLACE, "_batch_seq", **texts)
        values = {c.name: phrases.safe_cast(cleaned[_text(c)], c, self.dialect) for c in self.columns}
        valued = cleaned.mutate(**values)
        for name, parent in self.parents.items():
            valued = self._with_parent(valued, name, parent)
        return valued

    def _with_parent(self, valued: ir.Table, name: str, parent: Parent) -> ir.Table:
        schema, table = parent.table.split(".", 1)
        kind = "string" if parent.kind is Kind.TEXT else "date" if parent.kind is Kind.DATE else "int64"
        known = ibis.table({parent.column: kind}, name=table, database=schema)
        wanted = known.select(**{_parent(name): known[parent.column]})
        return valued.left_join(wanted, valued[name] == wanted[_parent(name)])

    def _all_rules(self, valued: ir.Table) -> list[tuple[str, ir.BooleanValue]]:
        rules: list[tuple[str, ir.BooleanValue]] = []
        for column in self.columns:
            rules += phrases.broken_rules(column, valued[_text(column)], valued[column.name])
            if column.name in self.parents:
                source = column.reference.source if column.reference else self.parents[column.name].table
                unknown = valued[column.name].notnull() & valued[_parent(column.name)].isnull()
                rules.append((f"{column.name} is not a known {source}", unknown))
        rules += [
            self._key_rule(valued, name)
            for name in self.contract.key
            if not self.contract.column(name).required
        ]
        return rules

    def _key_rule(self, valued: ir.Table, name: str) -> tuple[str, ir.BooleanValue]:
        return (f"{name} is missing", valued[_text(self.contract.column(name))].isnull())

    def typed(self) -> ir.Table:
        """Every bronze row: values, place, and which rules it breaks as bits."""
        bits: dict[str, ir.IntegerValue] = {}
        for start in range(0, max(len(self.rules), 1), BITS_PER_COLUMN):
            chunk = self.rules[start : start + BITS_PER_COLUMN]
            flags = [ibis.ifelse(broken, 1 << i, 0).cast("int64") for i, (_, broken) in enumerate(chunk)]
            bits[_bits(start)] = reduce(add, flags, ibis.literal(0, "int64"))
        values = [column.name for column in self.columns]
        return self._valued.select(*values, *PLACE, "_batch_seq", **bits)

    def _typed_table(self) -> ir.Table:
        columns = {column.name: phrases.type_of(column) for column in self.columns}
        places = {"_batch_id": "string", "_row_number": "int64", "_batch_seq": "int64"}
        return ibis.table(columns | places | dict.fromkeys(self._bit_names(), "int64"), name=TYPED)

    def _bit_names(self) -> list[str]:
        own = [_bits(start) for start in range(0, max(len(self.rules), 1), BITS_PER_COLUMN)]
        return [*own, SQL_BITS] if self.sql_rules else own

    def _valid(self) -> ir.Table:
        typed = self._typed_table()
        return typed.filter(*(typed[bits] == 0 for bits in self._bit_names()))

    def repeated(self) -> ir.Table:
        """Keys that occur more than once among the valid rows: only those need ranking."""
        valid = self._valid()
        counted = valid.group_by(list(self.contract.key)).aggregate(_versions=valid.count())
        return counted.filter(counted["_versions"] > 1).select(*self.contract.key)

    def _repeated_table(self) -> ir.Table:
        kinds = {name: phrases.type_of(self.contract.column(name)) for name in self.contract.key}
        return ibis.table(kinds, name=REPEATED)

    def _ranked(self) -> ir.Table:
        """Versions of repeated keys with their rank, newest 0; newest-by first (blank is oldest), then place."""
        versions = self._valid().semi_join(self._repeated_table(), list(self.contract.key))
        order = [versions["_batch_seq"].desc(), versions["_row_number"].desc()]
        if self.contract.newest_by:
            order.insert(0, versions[self.contract.newest_by].desc(nulls_first=False))
        window = ibis.window(group_by=list(self.contract.key), order_by=order)
        return versions.mutate(_rank=ibis.row_number().over(window))

    def current(self) -> ir.Table:
        """One row per key: the newest valid version."""
        names = [column.name for column in self.columns]
        single = self._valid().anti_join(self._repeated_table(), list(self.contract.key))
        ranked = self._ranked()
        newest = ranked.filter(ranked["_rank"] == 0)
        both = ibis.union(single.select(*names, *PLACE), newest.select(*names, *PLACE), distinct=False)
        return both.mutate(_correction=ibis.literal(0, "int32"))

    def superseded(self) -> ir.Table:
        """Valid versions that are not current."""
        ranked = self._ranked()
        amounts = [column.name for column in self.columns if column.amount]
        kept = dict.fromkeys([*self.contract.key, *amounts])
        return ranked.filter(ranked["_rank"] > 0).select(*kept, *PLACE)

    def quarantined(self) -> ir.Table:
        """The bronze rows that broke a rule, as received, with every reason."""
        typed = self._typed_table()
        broken = typed.filter(reduce(lambda a, b: a | b, (typed[bits] != 0 for bits in self._bit_names())))
        reasons = self._reasons(broken)
        marked = broken.select(_batch=broken["_batch_id"], _row=broken["_row_number"], _reasons=reasons)
        bronze = self.bronze()
        same = [bronze["_batch_id"] == marked["_batch"], bronze["_row_number"] == marked["_row"]]
        names = [column.name for column in self.columns]
        return bronze.join(marked, same).select(*names, *PLACE, "_reasons")

    def _reasons(self, broken: ir.Table) -> ir.ArrayValue:
        said = [
            ibis.ifelse(
                _bit_set(broken, i),
                reason,
                ibis.null("string"),
            )
            for i, (reason, _) in enumerate(self.rules)
        ]
        said += [
            ibis.ifelse((broken[SQL_BITS] & (1 << i)) != 0, rule.name, ibis.null("string"))
            for i, rule in enumerate(self.sql_rules)
        ]
        return ibis.array(said).filter(lambda reason: reason.notnull())


def _bit_set(broken: ir.Table, index: int) -> ir.BooleanValue:
    bits = broken[_bits(index - index % BITS_PER_COLUMN)]
    return (bits & (1 << (index % BITS_PER_COLUMN))) != 0


def _text(column: Column) -> str:
    return f"{column.name}__text"


def _parent(name: str) -> str:
    return f"{name}__parent"


def _bits(start: int) -> str:
    return f"_broken_{start // BITS_PER_COLUMN}"


def _render(expression: ir.Table, dialect: str, names: Mapping[str, str]) -> str:
    sql = str(ibis.to_sql(expression, dialect=dialect))
    for logical, read_as in names.items():
        schema, table = logical.split(".", 1)
        sql = sql.replace(f'"{schema}"."{table}"', read_as)
    return sql


def _with_sql_rules(typed: str, rules: Sequence[Rule]) -> str:
    """The typed rows with one more column of bits, for conditions that the contract gives as SQL."""
    if not rules:
        return typed
    flags = [f"case when ({rule.broken_when}) then {1 << i} else 0 end" for i, rule in enumerate(rules)]
    return f'select typed.*, cast({" + ".join(flags)} as bigint) as "{SQL_BITS}" from ({typed}) as typed'  # noqa: S608


def _amount(column: Column, dialect: str) -> str:
    """The amount as written in the text of a column, as an SQL expression over that column."""
    table = ibis.table({column.name: "string"}, name="written")
    text = phrases.cleaned(table[column.name], column.cleaning)
    rendered = _render(table.select(amount=phrases.readable_amount(text, column.cleaning)), dialect, {})
    head, _, _ = rendered.rpartition('AS "amount"')
    return head.removeprefix("SELECT").strip().replace('"t0".', "")
