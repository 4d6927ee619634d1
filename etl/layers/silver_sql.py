"""Silver's statements as Ibis expressions: clean → typed → every broken rule → the newest valid version per key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, and_

import ibis
from ibis.expr import types as ir

from etl import expressions as phrases
from etl.declared import Column, Contract, ForeignKey, Rule, Severity
from etl.dialects import POSTGRES, condition, once, speedy
from etl.layers.silver import LIVE, PLACE, REPEATED, TYPED, VERSIONS, Parent, SilverSQL

BITS_PER_COLUMN = 60  # reasons that fit one whole-number column with room for the sign
SQL_BITS = "_broken_sql_"
VALUED = "_valued"
PLACE_KINDS = {"_batch_id": "string", "_row_number": "int64", "_correction": "int32"}


def compile_silver(contract: Contract, parents: Sequence[Parent], dialect: str) -> SilverSQL:
    """The statements for a contract. `parents` in the order of its references."""
    shaped = _Shape(contract, parents, dialect)
    statements = {
        "typed": shaped.typed(),
        "repeated": shaped.repeated(),
        "current": shaped.current(),
        "superseded": shaped.superseded(),
        "newest": shaped.newest(),
        "older": shaped.older(),
        "quarantined": shaped.quarantined(),
    }
    rendered = {name: _render(expression, dialect) for name, expression in statements.items()}
    if dialect == POSTGRES:
        rendered["typed"] = once(rendered["typed"], VALUED, _render(shaped.valued, dialect))
    rendered["typed"] = _with_sql_rules(rendered["typed"], shaped.sql_rules, dialect)
    amounts = tuple((c.name, _amount(c, dialect)) for c in contract.columns if c.amount)
    return SilverSQL(
        **rendered,
        reasons=shaped.reasons,
        amounts=amounts,
        valid=" and ".join(f'"{bits}" = 0' for bits in shaped.bit_names()),
        orphan_reasons=tuple(_unknown(reference) for reference in contract.references),
    )


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def bytewise(text: str) -> str:
    """A text that sorts by its bytes; `etl.dialects` has the words for it."""
    raise NotImplementedError


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def array_remove(reasons: list[str], gone: str) -> list[str]:
    """PostgreSQL's own, many times cheaper than a query over the elements."""
    raise NotImplementedError


class _Shape:
    """The expressions of one contract."""

    def __init__(self, contract: Contract, parents: Sequence[Parent], dialect: str) -> None:
        self.contract = contract
        self.dialect = dialect
        self.parents = parents
        self.columns = contract.columns
        self.sql_rules = [rule for rule in contract.rules if rule.severity is Severity.QUARANTINE]
        self.valued = self._with_values()
        # Ibis merges selects as it likes; on PostgreSQL values stand apart, so that no rule computes one again.
        self._judged = ibis.table(self.valued.schema(), name=VALUED) if dialect == POSTGRES else self.valued
        self.rules = self._all_rules(self._judged)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason a row of this contract can be quarantined for."""
        return (*(reason for reason, _ in self.rules), *(rule.name for rule in self.sql_rules))

    def live(self) -> ir.Table:
        """The rows that are to be judged, as received or corrected."""
        return ibis.table({column.name: "string" for column in self.columns} | PLACE_KINDS, name=LIVE)

    def numbered(self) -> ir.Table:
        """Those rows with the sequence number of their batch."""
        names, table = [column.name for column in self.columns], self.live()
        batches = ibis.table({"batch_id": "string", "batch_seq": "int64"}, name="_batches", database="bronze")
        joined = table.join(batches, table["_batch_id"] == batches["batch_id"])
        return joined.select(*names, *PLACE, _batch_seq=batches["batch_seq"])

    def _with_values(self) -> ir.Table:
        """Cleaned text (`<column>__text`), typed value and, for a foreign key, whether its parent is known."""
        rows = self.numbered()
        texts = {_text(c): phrases.cleaned(rows[c.name], c.cleaning, self.dialect) for c in self.columns}
        cleaned = rows.select(*PLACE, "_batch_seq", **texts)
        values = {c.name: phrases.safe_cast(cleaned[_text(c)], c, self.dialect) for c in self.columns}
        valued = cleaned.mutate(**values)
        for at, parent in enumerate(self.parents):
            valued = self._with_parent(valued, at, parent)
        return valued

    def _with_parent(self, valued: ir.Table, at: int, parent: Parent) -> ir.Table:
        schema, table = parent.table.split(".", 1)
        own = self.contract.references[at].columns
        kinds = {
            to: phrases.type_of(self.contract.column(name))
            for name, to in zip(own, parent.columns, strict=True)
        }
        known = ibis.table(kinds, name=table, database=schema)
        wanted = known.select(**{f"{_parent(at)}_{i}": known[to] for i, to in enumerate(parent.columns)})
        same = [valued[name] == wanted[f"{_parent(at)}_{i}"] for i, name in enumerate(own)]
        joined = valued.left_join(wanted, same)
        return joined.select(*valued.columns, **{_parent(at): joined[f"{_parent(at)}_0"]})

    def _all_rules(self, valued: ir.Table) -> list[tuple[str, ir.BooleanValue]]:
        rules: list[tuple[str, ir.BooleanValue]] = []
        for column in self.columns:
            rules += phrases.broken_rules(column, valued[_text(column)], valued[column.name])
        for at, reference in enumerate(self.contract.references):
            given = reduce(and_, (valued[name].notnull() for name in reference.columns))
            rules.append((_unknown(reference), given & valued[_parent(at)].isnull()))
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
        values = {column.name: self._kept(column) for column in self.columns}
        return self._judged.select(
            **values, **{name: self._judged[name] for name in (*PLACE, "_batch_seq")}, **bits
        )

    def _kept(self, column: Column) -> ir.Value:
        """The typed value; a text in the order of its bytes from here on, whatever the database's own order is."""
        value = self._judged[column.name]
        return bytewise(value) if self.dialect == POSTGRES and value.type().is_string() else value

    def _typed_table(self) -> ir.Table:
        columns = {column.name: phrases.type_of(column) for column in self.columns}
        places = PLACE_KINDS | {"_batch_seq": "int64"}
        return ibis.table(columns | places | dict.fromkeys(self.bit_names(), "int64"), name=TYPED)

    def bit_names(self) -> list[str]:
        """The columns that hold which rules a row breaks; all are 0 for a valid row."""
        own = [_bits(start) for start in range(0, max(len(self.rules), 1), BITS_PER_COLUMN)]
        return [*own, *(_sql_bits(start) for start in range(0, len(self.sql_rules), BITS_PER_COLUMN))]

    def _valid(self) -> ir.Table:
        typed = self._typed_table()
        return typed.filter(*(typed[bits] == 0 for bits in self.bit_names()))

    def repeated(self) -> ir.Table:
        """Keys that occur more than once among the valid rows: only those need ranking."""
        valid = self._valid()
        counted = valid.group_by(list(self.contract.key)).aggregate(_versions=valid.count())
        return counted.filter(counted["_versions"] > 1).select(*self.contract.key)

    def _repeated_table(self) -> ir.Table:
        kinds = {name: phrases.type_of(self.contract.column(name)) for name in self.contract.key}
        return ibis.table(kinds, name=REPEATED)

    def _versions_table(self) -> ir.Table:
        """Every valid version of the keys that something new has come for."""
        columns = {column.name: phrases.type_of(column) for column in self.columns}
        return ibis.table(columns | PLACE_KINDS | {"_batch_seq": "int64"}, name=VERSIONS)

    def _ranked(self, versions: ir.Table) -> ir.Table:
        """Versions with their rank within their key, newest 0; newest-by first (blank is oldest), then place."""
        order = [versions["_batch_seq"].desc(), versions["_row_number"].desc()]
        if self.contract.newest_by:
            order.insert(0, versions[self.contract.newest_by].desc(nulls_first=False))
        window = ibis.window(group_by=list(self.contract.key), order_by=order)
        return versions.mutate(_rank=ibis.row_number().over(window))

    def current(self) -> ir.Table:
        """One row per key: the newest valid version."""
        names = [column.name for column in self.columns]
        single = self._valid().anti_join(self._repeated_table(), list(self.contract.key))
        ranked = self._ranked(self._of_repeated())
        newest = ranked.filter(ranked["_rank"] == 0)
        return ibis.union(single.select(*names, *PLACE), newest.select(*names, *PLACE), distinct=False)

    def _of_repeated(self) -> ir.Table:
        return self._valid().semi_join(self._repeated_table(), list(self.contract.key))

    def superseded(self) -> ir.Table:
        """Valid versions that are not current."""
        return self._of_rank(self._of_repeated(), newest=False)

    def newest(self) -> ir.Table:
        """The current one of the versions that are looked at again."""
        return self._of_rank(self._versions_table(), newest=True)

    def older(self) -> ir.Table:
        """The others of them."""
        return self._of_rank(self._versions_table(), newest=False)

    def _of_rank(self, versions: ir.Table, *, newest: bool) -> ir.Table:
        ranked = self._ranked(versions)
        chosen = ranked["_rank"] == 0 if newest else ranked["_rank"] > 0
        return ranked.filter(chosen).select(*(column.name for column in self.columns), *PLACE)

    def quarantined(self) -> ir.Table:
        """The rows that broke a rule, as received or corrected, with every reason."""
        typed = self._typed_table()
        broken = typed.filter(reduce(lambda a, b: a | b, (typed[bits] != 0 for bits in self.bit_names())))
        reasons = self._reasons(broken)
        marked = broken.select(
            _batch=broken["_batch_id"], _row=broken["_row_number"], _n=broken["_correction"], _reasons=reasons
        )
        live = self.live()
        same = [
            live[name] == marked[mark] for name, mark in zip(PLACE, ("_batch", "_row", "_n"), strict=True)
        ]
        names = [column.name for column in self.columns]
        return live.join(marked, same).select(*names, *PLACE, "_reasons")

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
            ibis.ifelse(
                (broken[_sql_bits(i - i % BITS_PER_COLUMN)] & (1 << (i % BITS_PER_COLUMN))) != 0,
                rule.name,
                ibis.null("string"),
            )
            for i, rule in enumerate(self.sql_rules)
        ]
        if self.dialect == POSTGRES:
            return array_remove(ibis.array(said), ibis.null("string"))
        return ibis.array(said).filter(lambda reason: reason.notnull())


def _bit_set(broken: ir.Table, index: int) -> ir.BooleanValue:
    bits = broken[_bits(index - index % BITS_PER_COLUMN)]
    return (bits & (1 << (index % BITS_PER_COLUMN))) != 0


def _text(column: Column) -> str:
    return f"{column.name}__text"


def _parent(at: int) -> str:
    return f"_parent_{at}"


def _unknown(reference: ForeignKey) -> str:
    """The reason of a row whose parent is not there."""
    verb = "is" if len(reference.columns) == 1 else "are"
    return f"{' and '.join(reference.columns)} {verb} not a known {reference.source}"


def _sql_bits(start: int) -> str:
    return f"{SQL_BITS}{start // BITS_PER_COLUMN}"


def _bits(start: int) -> str:
    return f"_broken_{start // BITS_PER_COLUMN}"


def _render(expression: ir.Table, dialect: str) -> str:
    return speedy(str(ibis.to_sql(expression, dialect=dialect)), dialect)


def _with_sql_rules(typed: str, rules: Sequence[Rule], dialect: str) -> str:
    """The typed rows with one more column of bits, for conditions that the contract gives as SQL."""
    if not rules:
        return typed
    columns = []
    for start in range(0, len(rules), BITS_PER_COLUMN):
        chunk = rules[start : start + BITS_PER_COLUMN]
        said = [condition(rule.broken_when, dialect) for rule in chunk]
        flags = [f"case when ({broken}) then {1 << i} else 0 end" for i, broken in enumerate(said)]
        columns.append(f'cast({" + ".join(flags)} as bigint) as "{_sql_bits(start)}"')
    apart = " offset 0" if dialect == POSTGRES else ""
    return f"select typed.*, {', '.join(columns)} from ({typed}{apart}) as typed"  # noqa: S608


def _amount(column: Column, dialect: str) -> str:
    """The amount as written in the text of a column, as an SQL expression over that column."""
    raw = ibis.table({column.name: "string"}, name="written")[column.name]
    text = phrases.cleaned(raw, column.cleaning, dialect)
    if dialect != POSTGRES:
        return _expression(phrases.readable_amount(text, column.cleaning, dialect), dialect)
    # Cleaned once: an expression that names the text five times would clean it five times.
    once = ibis.table({"text": "string"}, name="once")["text"]
    amount = _expression(phrases.readable_amount(once, column.cleaning, dialect), dialect)
    return f'(select {amount} from (select {_expression(text, dialect)} as "text" offset 0) as once)'  # noqa: S608


def _expression(value: ir.Value, dialect: str) -> str:
    """A value over the columns of one table, without the table's name."""
    (table,) = value.op().relations
    rendered = _render(table.to_expr().select(amount=value), dialect)
    head, _, _ = rendered.rpartition('AS "amount"')
    return head.removeprefix("SELECT").strip().replace('"t0".', "")
