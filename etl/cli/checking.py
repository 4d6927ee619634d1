"""Commands that look for faults: contract check, doctor, version."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.cli import words
from etl.cli.output import Answer, Output
from etl.cli.tables import table
from etl.errors import CatalogError, MetaLayerError, Problem, SettingsError, UsageError
from etl.model import CheckState
from etl.texts import count
from etl.wire import to_plain

if TYPE_CHECKING:
    from etl.cli.running import Context
    from etl.diagnosis import Found

MENDED = "mended"
HOLDER_SECONDS = 3.0  # for another command that holds the warehouse: who it is, is a finding
WORST_FIRST = [CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED]
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
    if context.arguments.inject:
        return _injected(context)
    findings = [
        _finding("Python", CheckState.PASSED, f"{platform.python_version()} on {platform.platform()}")
    ]
    try:
        findings += _examined(context)
    except SettingsError as error:
        findings.append(_finding("Settings", CheckState.FAILED, error.message, error.hint))
    failed = any(finding["state"] == CheckState.FAILED for finding in findings)
    return Answer(
        {"findings": findings, "well": not failed}, lambda o: _show_findings(o, findings), int(failed)
    )


def _examined(context: Context) -> list[dict[str, Any]]:
    """Looked at from outside, mended where asked, started, and looked at again: what has gone by then is mended."""
    from etl.diagnosis import look
    from etl.door import living

    settings = context.settings

    def answers() -> bool:
        return living(settings) is not None

    settled = _finding("Settings", CheckState.PASSED, f"landing {settings.landing}, state {settings.state}")
    before = look(settings, answers)
    untold = []
    for found in before:
        if context.arguments.mend and found.mend is not None:
            untold += _mended_by(found)
    inside = _from_inside(context)
    after = look(settings, answers)
    standing = [_plain(found) for found in after]
    names = {(finding["what"], finding["state"]) for finding in standing}
    gone = [
        {**plain, "state": MENDED, "hint": ""}
        for plain in map(_plain, before)
        if plain["state"] != CheckState.PASSED and (plain["what"], plain["state"]) not in names
    ]
    told = {finding["detail"] for finding in standing}
    return [
        settled,
        *sorted(standing, key=lambda f: WORST_FIRST.index(f["state"])),
        *gone,
        *untold,
        *(f for f in inside if f["detail"] not in told),
    ]


def _mended_by(found: Found) -> list[dict[str, Any]]:
    """Nothing when it could be mended: that is seen by looking again."""
    assert found.mend is not None  # noqa: S101 - for mypy: asked only then
    try:
        found.mend()
    except (MetaLayerError, OSError) as fault:
        what = f"Mending {found.finding.what}"
        return [_finding(what, CheckState.FAILED, str(fault), getattr(fault, "hint", ""))]
    return []


def _from_inside(context: Context) -> list[dict[str, Any]]:
    """What the engine says of itself, or what keeps it from starting."""
    from etl.door import open_door

    try:
        with open_door(context.settings, context.output.say, HOLDER_SECONDS) as door:
            found: list[dict[str, Any]] = door.call("doctor")
            return found
    except CatalogError as error:
        return [_finding("Catalog", CheckState.FAILED, str(p), p.hint) for p in error.problems]
    except MetaLayerError as error:
        return [_finding("Engine", CheckState.FAILED, error.message, error.hint)]


def _plain(found: Found) -> dict[str, Any]:
    finding = found.finding
    return _finding(finding.what, finding.state, finding.detail, finding.hint)


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


def _injected(context: Context) -> Answer:
    """Which faults the checks catch, on copies in a scratch workspace; exit 1 unless they catch every one."""
    from etl.inject import copies_of, inject

    with context.door() as door:
        copies = copies_of(door.call, context.settings)
    if not context.output.as_json:
        context.output.say("Planting faults in copies of the newest files …")
    injection = inject(copies, context.settings)
    document = to_plain(injection)
    return Answer(document, lambda output: _show_injection(output, document), 0 if injection.well else 1)


def _show_injection(output: Output, found: dict[str, Any]) -> None:
    rows = [
        (f["kind"], f["source"], f["where"], f["expected"], f["caught"], f["caught_by"] or f["note"],
         f["examined"], f["failing"])
        for f in found["faults"]
    ]  # fmt: skip
    columns = ("Fault", "Planted in", "Where", "To be caught by", "Caught", "By", "Examined", "Failing")
    table(output, columns, rows)
    tried = found["caught"] + found["missed"]
    output.line(f"{found['caught']:,} of {count(tried, 'fault')} caught in {found['seconds']:.1f} s.")
    if found["untried"]:
        output.line(f"{count(found['untried'], 'fault')} could not be planted here.")
    for fault in found["faults"]:
        if fault["caught"] == "no":
            output.line(
                f"NOT CAUGHT: {fault['kind']} in {fault['source']} ({fault['where']}): {fault['note']}"
            )


def contract(context: Context) -> Answer:
    """Every problem of one contract or gold file, or of the whole catalog, with file and line."""
    from etl.catalog import load_catalog

    project, asked = context.settings.project, context.arguments.file
    path = Path(asked).resolve() if asked else None
    if path is not None and not path.is_file():
        raise UsageError(f"{asked} is no file.", "Name a contract (*.odcs.yaml) or a gold file (*.sql).")
    try:
        if path is not None and not _is_of_catalog(path, project):
            return _sound(f"{asked}: {_read_alone(path)}")
        catalog = load_catalog(project)
    except CatalogError as error:
        return _unsound(_problems_of(path, project, error.problems), error.problems)
    counted = f"{count(len(catalog.contracts), 'contract')}, {count(len(catalog.tables), 'table')}"
    return _sound(f"The catalog is sound: {counted}.")


def _is_of_catalog(path: Path, project: Path) -> bool:
    return path.parent in ((project / "contracts").resolve(), (project / "gold").resolve())


def _read_alone(path: Path) -> str:
    """What a file outside the project declares. Raises CatalogError."""
    from etl.contracts import read_contract
    from etl.goldfile import parse_gold

    if path.suffix == ".sql":
        return f"sound; declares {parse_gold(path, path.parent).name}."
    return f"sound; declares the source {read_contract(path, path.parent).source}."


def _problems_of(path: Path | None, project: Path, problems: Sequence[Problem]) -> Sequence[Problem]:
    """Those of one file, or all where none is named."""
    if path is None:
        return problems
    return [problem for problem in problems if (project / problem.file).resolve() == path]


def _sound(text: str) -> Answer:
    return Answer({"sound": True, "problems": []}, lambda output: output.line(text))


def _unsound(own: Sequence[Problem], every: Sequence[Problem]) -> Answer:
    document = {"sound": not own, "problems": [to_plain(problem) for problem in own]}
    elsewhere = len(every) - len(own)

    def show(output: Output) -> None:
        for problem in own:
            output.line(str(problem))
        output.line(f"{count(len(own), 'problem')}.")
        if elsewhere:
            output.line(f"{count(elsewhere, 'more problem')} in other files: ./metalayer contract check")

    return Answer(document, show, CatalogError.exit_code if own else 0)
