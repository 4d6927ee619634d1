"""A workspace that has been used, to copy from: what is compiled once need not be compiled for every case."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from etl.settings import Settings
from tests.contents import succeeded
from tests.workspaces import few_files, opened, workspace

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - many runs, each waiting for a disk


class Template:
    """Hands out empty workspaces in memory that remember their checked catalog and compiled statements."""

    memory = MEMORY

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(dir=MEMORY)
        self._used = workspace(Path(self._folder.name))
        few_files(self._used)
        with opened(self._used) as service:
            succeeded(service)

    def __enter__(self) -> Template:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def workspace(self, folder: Path) -> Settings:
        """An empty workspace in `folder`."""
        made = workspace(folder)
        shutil.copytree(self._used.state / "remembered", made.state / "remembered")
        return made
