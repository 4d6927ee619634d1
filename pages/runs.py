"""Runs: the grid of recent runs by task, one run in full, where the time goes, and what runs by itself and when."""

from __future__ import annotations

from functools import partial

from ui import data, live, reads_runs, run_grid, runs, schedules, widgets
from ui import words_runs as words

widgets.header("Runs", words.RUNS_LEAD)
widgets.refusal()
recent = reads_runs.recent()
shown = None
with widgets.boundary():
    shown = runs.chosen(recent)
live.follow(partial(runs.now, shown=shown))

if recent:
    with widgets.card("grid", "Recent runs by task"):
        run_grid.grid(recent, shown.run_id if shown else None)
    with widgets.card("list", "Runs"):
        runs.listing(recent)
    if shown is not None and shown.finished_at is not None:
        runs.one(shown)
    with widgets.card("timings", "Where the time goes", words.TIMED):
        runs.timings(data.living().timings(reads_runs.TIMED_RUNS))
else:
    widgets.empty("play_circle", words.NO_RUNS, words.RUN_SOMETHING)

with widgets.card("pipelines", "Pipelines"):
    schedules.pipelines(data.living().pipelines())
with widgets.card("ticks", "Scheduled times"):
    schedules.ticks(data.living().ticks(reads_runs.MOST_TICKS))
