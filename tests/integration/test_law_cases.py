"""Laws 1, 2 and 4 over the whole engine: dirty files in any order against an oracle that knows no SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.against import require_as_the_oracle_says
from tests.contents import LAYERS, contents, succeeded
from tests.dirty import FOLDER, exports
from tests.oracle import File, read
from tests.templates import Template
from tests.times import tries
from tests.workspaces import land, opened

STEPS = st.lists(st.lists(exports() | st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template() as template:
        yield template


class Landing:
    """A landing folder that files of any name come into, some of them for the second time."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.files: dict[str, File] = {}  # in the order in which they landed
        self._names = 0

    def take(self, step: Sequence[tuple[str, str] | int]) -> None:
        """Land what a step brings; a number is a resend of an earlier file under another name."""
        landed = []
        for brought in step:
            if isinstance(brought, int):
                earlier = list(self.files.values())
                if earlier:
                    self.put(earlier[brought % len(earlier)])
                continue
            landed.append(self.put(read(*brought)))
        for file in landed:
            self.files.setdefault(file.sha, file)

    def put(self, file: File) -> File:
        self._names += 1
        land(self.settings, f"{FOLDER[file.source]}/{file.source}_{self._names:03}.csv", file.text)
        return file


@tries(100)
@given(steps=STEPS)
def test_every_row_and_cent_of_dirty_files_is_where_the_oracle_says_and_resends_change_nothing(
    template: Template, steps: list[list[tuple[str, str] | int]]
) -> None:
    with TemporaryDirectory(dir=template.memory) as folder:
        settings = template.workspace(Path(folder))
        landing = Landing(settings)
        with opened(settings) as service:
            for step in steps:
                landing.take(step)
                succeeded(service, *LAYERS)
            files = list(landing.files.values())
            require_as_the_oracle_says(service, files)
            version, before = service.version(), contents(service)
            for file in files:
                landing.put(file)
            succeeded(service, *LAYERS)
            assert (service.version(), contents(service)) == (version, before)
