"""Commands that look for faults: contract check, doctor, version."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from etl.cli import words
from etl.cli.output import Answer, Output
from etl.cli.tables import table
from etl.errors import CatalogError, MetaLayerError
from etl.model import CheckState

if TYPE_CHECKING:
    from etl.cli.running import Context

LIBRARIES = (
    "streamlit",
    "duckdb",
    "ibis-framework",
    "sqlglot",
    "sqlalchemy",
    "apscheduler",
    "pandas",
    "plotly",
)


def doctor(context: Context) -> Answer:
    """What is wrong with this installation; works also where the engine does not start."""
    findings = [
        _finding("Python", CheckState.PASSED, f"{platform.python_version()} on {platform.platform()}")
    ]
    try:
        settings = context.settings
        findings.append(
            _finding("Settings", CheckState.PASSED, f"landing {settings.landing}, state {settings.state}")
        )
        with context.door() as door:
            findings += door.call("doctor")
    except CatalogError as error:
        findings += [
            _finding("Catalog", CheckState.FAILED, str(problem), problem.hint) for problem in error.problems
        ]
    except MetaLayerError as error:
        findings.append(_finding("Engine", CheckState.FAILED, error.message, error.hint))
    failed = any(finding["state"] == CheckState.FAILED for finding in findings)
    return Answer(
        {"findings": findings, "well": not failed}, lambda o: _show_findings(o, findings), int(failed)
    )


def version(context: Context) -> Answer:
    """Versions; reads no settings and opens nothing."""
    found = {"metalayer": own_version(), "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = installed(library)
        except PackageNotFoundError:
            found[library] = "missing"

    def show(output: Output) -> None:
        for name, number in found.items():
            output.line(f"{name} {number}")

    return Answer(found, show)


def own_version() -> str:
    """The version that the engine names."""
    import etl

    return str(getattr(etl, "__version__", "unreleased"))


def _finding(what: str, state: CheckState, detail: str, hint: str = "") -> dict[str, Any]:
    return {"what": what, "state": state.value, "detail": detail, "hint": hint}


def _show_findings(output: Output, findings: list[dict[str, Any]]) -> None:
    rows = [(f["what"], words.state(f["state"]), f["detail"], f["hint"]) for f in findings]
    table(output, ("What", "State", "Detail", "What to do"), rows)


def contract(context: Context) -> Answer:
    """Every problem of one contract or of the whole catalog, with file and line."""
    raise NotImplementedError
