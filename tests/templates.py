"""A workspace that has been used, to copy from: what is compiled once need not be compiled for every case."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from etl.layers.silver import SilverSQL
from etl.settings import ROOT, Settings
from tests.contents import succeeded
from tests.oracle import CRM, ERP, Terms
from tests.warehouses import NOW
from tests.workspaces import few_files, opened, workspace

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - many runs, each waiting for a disk


RULE = """\
      - name: {name}
        type: sql
        query: select count(*) from ${{table}} where {condition}
        mustBe: 0
        severity: {severity}
"""
TOO_DEAR = RULE.format(
    name="too_dear_a_piece", condition="sale_amount > 10 * quantity", severity="quarantine"
)
NOTHING_PASSES = RULE.format(name="nothing_passes", condition="sale_amount >= 0", severity="block")


class Template:
    """Hands out empty workspaces in memory that remember their checked catalog and compiled statements."""

    memory = MEMORY

    def __init__(self, *, only: Sequence[str] = ()) -> None:
        """`only`: the contracts and gold files that its workspaces have; all the shipped ones if empty."""
        self._only = only
        self.compiled: dict[str, SilverSQL] = {}  # for services that are to share it
        self._folder = TemporaryDirectory(dir=MEMORY)
        self._used, self._empty = (self._made(Path(self._folder.name) / name) for name in ("used", "empty"))
        few_files(self._used)
        with opened(self._used) as service:
            succeeded(service)
        self._remembered = self._used.state / "remembered"
        shutil.copytree(self._remembered, self._empty.state / "remembered")
        with opened(self._empty) as service:
            succeeded(service, "init_db_schemas")

    def __enter__(self) -> Template:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def workspace(self, folder: Path) -> Settings:
        """An empty workspace in `folder`."""
        made = self._made(folder, self._empty)
        shutil.copytree(self._empty.state, made.state)
        return made

    def _made(self, folder: Path, like: Settings | None = None) -> Settings:
        """On PostgreSQL the ledger has a database of its own, so that the warehouse can be copied while it lives."""
        if NOW.server is not None:
            state = folder / "state"
            NOW.made(state, like.warehouse if like else "")
            made = replace(workspace(folder), ledger=NOW.made(state / "ledger", like.ledger if like else ""))
        else:
            made = workspace(folder)
        for path in [*(made.project / "contracts").iterdir(), *(made.project / "gold").iterdir()]:
            if self._only and path.name not in self._only:
                path.unlink()
        return made

    def copy(self, settings: Settings, state: Path) -> Settings:
        """The same project and landing folder with a state folder of its own: warehouse and bronze are copied, the
        ledger is one that has seen nothing. On PostgreSQL nobody may be connected to the warehouse meanwhile.
        """
        state.mkdir(parents=True)
        shutil.copytree(settings.state / "remembered", state / "remembered")
        if NOW.server is not None:
            return replace(
                settings, state=state, warehouse=NOW.made(state, settings.warehouse),
                ledger=NOW.made(state / "ledger", self._empty.ledger),
            )  # fmt: skip
        made = replace(
            settings, state=state,
            warehouse=f"duckdb:///{state / 'warehouse.duckdb'}", ledger=f"sqlite:///{state / 'ledger.sqlite'}",
        )  # fmt: skip
        for path in settings.state.glob("warehouse.duckdb*"):
            shutil.copy(path, state / path.name)
        for path in self._empty.state.glob("ledger.sqlite*"):
            shutil.copy(path, state / path.name)
        shutil.copytree(settings.files / "bronze", made.files / "bronze", copy_function=os.link)
        return made

    def forget(self, settings: Settings) -> None:
        """Let go of a workspace or a copy that is closed."""
        shutil.rmtree(settings.state)
        for place in (settings.state, settings.state / "ledger"):
            NOW.drop(place)


def contracts(terms: Terms, *, blocked: bool = False) -> dict[str, str]:
    """The shipped contracts of customers and sales under other terms, by file name; `blocked`: no sale gets through."""
    crm, erp = (f"{source}.odcs.yaml" for source in (CRM, ERP))
    texts = {name: (ROOT / "contracts" / name).read_text() for name in (crm, erp)}
    texts[erp] = _turned(texts[erp], "{minimum: 1}", f"{{minimum: {terms.least_quantity}}}")
    if terms.newest_by:
        newest = f"    customProperties:\n      - {{property: newestBy, value: {terms.newest_by}}}\n"
        texts[erp] = _turned(texts[erp], "\nslaProperties", f"{newest}\nslaProperties")
    rules = (TOO_DEAR if terms.dear_is_wrong else "") + (NOTHING_PASSES if blocked else "")
    if rules:
        texts[erp] = _turned(texts[erp], "\nslaProperties", f"    quality:\n{rules}\nslaProperties")
    if terms.mail_is_email:
        lower = "          - {property: case, value: lower}\n"
        alias = "          - {property: aliases, value: [mail]}\n"
        texts[crm] = _turned(texts[crm], lower, lower + alias)
    return texts


def _turned(text: str, shipped: str, turned: str) -> str:
    assert text.count(shipped) == 1, shipped
    return text.replace(shipped, turned)
