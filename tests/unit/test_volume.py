"""What is usual for a source follows from its own history, and too little of it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.volume import LEAST_BATCHES, LEAST_ROWS, MOST_BATCHES, Load, examine, expected

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
STEADY = st.integers(LEAST_ROWS * 2, 1_000_000).flatmap(
    lambda base: st.lists(
        st.integers(base * 85 // 100, base * 115 // 100), min_size=LEAST_BATCHES, max_size=60
    )
)  # no batch more than 15 % off


def loads(*rows: int, left_out: frozenset[int] = frozenset()) -> list[Load]:
    """One batch a day."""
    return [
        Load(f"b{day}", f"erp/sales_{day}.csv", count, START + timedelta(days=day), day in left_out)
        for day, count in enumerate(rows)
    ]


@given(STEADY)
def test_a_drop_by_nine_tenths_and_a_doubling_are_never_usual(history: list[int]) -> None:
    found = expected(history)
    assert not found.quiet
    assert not found.usual(int(found.median) // 10)
    assert not found.usual(int(found.median) * 2 + 1)


@given(STEADY)
def test_the_median_batch_and_its_neighbours_are_always_usual(history: list[int]) -> None:
    found = expected(history)
    assert found.usual(int(found.median))
    assert found.usual(int(found.median * 1.2))
    assert found.usual(int(found.median * 0.8) + 1)


@given(STEADY, st.integers(0, 10_000_000))
def test_one_batch_out_of_order_hardly_moves_what_is_usual(history: list[int], odd: int) -> None:
    before, after = expected(history), expected([*history, odd])
    assert abs(after.median - before.median) <= 0.3 * before.median


@given(st.lists(st.integers(0, 1_000_000), max_size=LEAST_BATCHES - 1))
def test_a_short_history_says_nothing(history: list[int]) -> None:
    found = expected(history)
    assert f"{len(history)} batch" in found.quiet
    assert f"{LEAST_BATCHES} or more needed" in found.quiet


@given(st.lists(st.integers(0, LEAST_ROWS - 1), min_size=LEAST_BATCHES))
def test_a_small_table_says_nothing_and_names_the_floor(history: list[int]) -> None:
    assert f"{LEAST_ROWS} or more needed" in expected(history).quiet


def test_only_the_newest_batches_are_the_baseline() -> None:
    found = expected([10] * 100 + [10_000] * MOST_BATCHES)
    assert (found.batches, found.median) == (MOST_BATCHES, 10_000)


def test_equal_files_leave_room_for_a_quarter() -> None:
    found = expected([1000] * 10)
    assert (found.low, found.high) == (750, 1250)


def test_a_file_without_rows_is_never_usual_however_much_the_others_differ() -> None:
    assert not expected([100, 5000, 120, 4000, 150, 3000, 200, 2500]).usual(0)


@pytest.mark.parametrize(("rows", "failing"), [(1000, 0), (100, 1), (2000, 1), (0, 1)])
def test_the_newest_batch_is_compared_with_those_before_it(rows: int, failing: int) -> None:
    found = examine(loads(*[1000] * 8, rows), {"b8"})
    assert (found.compared, len(found.odd)) == (1, failing)
    assert (
        f"erp/sales_8.csv has {rows:,} rows; 750 to 1,250 are usual (median 1,000 of 8 batches)"
        in found.message
    )


def test_every_batch_of_a_landing_is_compared_with_those_before_it() -> None:
    found = examine(loads(*[1000] * 8, 1100, 90, 2500), {"b8", "b9", "b10"})
    assert found.compared == 3
    assert [one.load.rows for one in found.odd] == [90, 2500]
    assert "and 1 batch more out of range" in found.message


def test_a_first_landing_of_many_files_compares_those_that_have_enough_before_them() -> None:
    found = examine(loads(*[1000] * 9, 50), {f"b{day}" for day in range(10)})
    assert found.compared == 10 - LEAST_BATCHES
    assert [one.load.rows for one in found.odd] == [50]


def test_a_day_marked_as_an_incident_does_not_count() -> None:
    days = [*[1000] * 7, *[200] * 8, 1000]
    assert examine(loads(*days), {"b15"}).odd, "taken for usual, the ruined days make a good one odd"
    spared = examine(loads(*days, left_out=frozenset(range(7, 15))), {"b15"})
    assert (spared.compared, spared.odd) == (1, ())
    assert "median 1,000 of 7 batches" in spared.message


def test_a_batch_on_a_day_marked_as_an_incident_is_not_compared_and_not_green() -> None:
    found = examine(loads(*[1000] * 8, 10, left_out=frozenset({8})), {"b8"})
    assert (found.compared, found.odd) == (0, ())
    assert "marked as an incident" in found.message


def test_nothing_landed_says_so() -> None:
    assert examine([], set()).message == "Nothing has landed yet."
