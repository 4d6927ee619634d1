"""The sentences of the page System: what is healthy, and that nothing is called so unexamined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ui import fmt, state
from ui.words_runs import pipeline

if TYPE_CHECKING:
    from etl.facts import Finding, PipelineFacts, Resources, ServiceFacts

HEALTH = {"passed": "Healthy", "warned": "Needs a look", "failed": "Down"}
DOCTOR_LEAD = "What this installation looks at in itself."
NO_FINDINGS = "The doctor has nothing to say"
_WORST = ("failed", "warned", "unexamined")
_SAID = {"failed": "failed", "warned": "warned", "unexamined": "not examined", "passed": "healthy"}
_RUN_HEALTH = {"succeeded": "passed", "failed": "failed", "interrupted": "warned", "cancelled": "warned"}
_SAYS = {
    "failed": "Something does not work",
    "warned": "Something needs a look",
    "unexamined": "Not everything was examined",
}


def started(at: datetime | None) -> str:
    """Since when this process serves."""
    return f"This process has served since {state.local(at)}" if at else "This process"


def system_verdict(
    services: Sequence[ServiceFacts], findings: Sequence[Finding], pipelines: Sequence[PipelineFacts]
) -> tuple[str, str, str]:
    """The worst state of services, findings and last runs, a sentence that names it, and what was looked at."""
    ran = [each for each in pipelines if each.last_run and each.last_run.state in _RUN_HEALTH]
    seen = [(each.name, str(each.state)) for each in services] + [
        (each.what, str(each.state)) for each in findings
    ]
    seen += [
        (f"last run of {pipeline(each.name)}", _RUN_HEALTH[each.last_run.state])
        for each in ran
        if each.last_run
    ]
    states = [health for _, health in seen]
    bad = [name for name in _WORST if name in states]
    looked = (
        f"{fmt.count(len(services), 'service')}, {fmt.count(len(findings), 'finding')} of the doctor "
        f"and the last {fmt.count(len(ran), 'run')} of pipelines."
    )
    if not states:
        return "unexamined", "Nothing was examined", ""
    counts = ", ".join(
        f"{states.count(name)} {_SAID[name]}" for name in (*_WORST, "passed") if name in states
    )
    if not bad:
        return "passed", "Everything that was examined is healthy", f"{looked} {counts}."
    worst = bad[0]
    named = dict.fromkeys(name for name, health in seen if health == worst)
    return worst, f"{_SAYS[worst]}: {', '.join(named)}", f"{looked} {counts[:1].upper()}{counts[1:]}."


def beyond(services: Sequence[ServiceFacts], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that the list of services does not say already: other things, and what is not well."""
    named = {each.name for each in services}
    return tuple(each for each in findings if each.what not in named or each.state != "passed")


def in_window(history: Sequence[Resources]) -> str:
    """How far back the samples reach: `last 10 min`."""
    if len(history) < 2:  # noqa: PLR2004
        return "first sample"
    reach = (history[-1].at - history[0].at).total_seconds()
    return f"last {max(round(reach / 60), 1)} min"
