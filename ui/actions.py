"""What the buttons ask of the engine; each says the run's number in a toast, or why it was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui import data, state, words

if TYPE_CHECKING:
    from etl.model import Run


def run(targets: Sequence[str] = (), downstream: bool = False) -> None:
    """Ask for `targets` to be brought up to date; none means everything."""

    def request() -> str:
        return _followed(data.living().request_run(targets, downstream=downstream))

    state.asked(request)


def cancel(run_id: int) -> None:
    """Ask for a run to stop."""

    def request() -> str:
        data.living().cancel(run_id)
        return words.cancelling(run_id)

    state.asked(request)


def load_dirty_sample() -> None:
    """Land the sample with faults on top of the clean one."""

    def request() -> str:
        return _followed(data.living().load_dirty_sample(), words.DIRTY_SAMPLE)

    state.asked(request)


def again(run: Run) -> None:
    """Ask for the same once more, and look at the new run."""

    def request() -> str:
        asked = data.living().request_run(run.targets, full=run.full, downstream=run.downstream)
        state.choose("run", asked.run_id)
        return _followed(asked)

    state.asked(request)


def from_failure(run: Run) -> None:
    """Ask to go on where a run failed, and look at the new run."""

    def request() -> str:
        asked = data.living().request_run(run.targets, downstream=run.downstream, from_run=run.run_id)
        state.choose("run", asked.run_id)
        return _followed(asked)

    state.asked(request)


def pause(pipeline: str, title: str, paused: bool) -> None:
    """Stop a pipeline from running by itself, or let it again."""

    def request() -> str:
        data.living().pause(pipeline, paused)
        return words.paused(title, paused)

    state.asked(request)


def _followed(run: Run, title: str = "") -> str:
    """The sentence that says a run is queued; its end will be said too, however soon it comes."""
    state.await_run(run.run_id)
    return words.requested(run.run_id, title or words.run_title(run))
