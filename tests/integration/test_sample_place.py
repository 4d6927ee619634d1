"""`--sample` with a warehouse that was set by hand: only where nothing of a user's own lies."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import SettingsError
from etl.settings import Settings
from tests.commands import environment
from tests.postgres import free_port
from tests.workspaces import few_files, opened, run, workspace


def sample_in(own: Settings, folder: Path) -> Settings:
    """The sample workspace with the warehouse and ledger of another one."""
    return replace(workspace(folder, sample=True), warehouse=own.warehouse, ledger=own.ledger)


def test_an_empty_warehouse_and_one_with_the_sample_are_kept(tmp_path: Path) -> None:
    own = workspace(tmp_path / "own")
    with opened(own):
        pass
    sample = sample_in(own, tmp_path / "sample")
    with opened(sample) as service:
        run(service)
        service.load_dirty_sample()
        run(service)
    with opened(sample) as service:
        assert len(service.batches()) > 0


def test_a_warehouse_with_files_of_a_users_own_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    own = workspace(tmp_path / "own")
    few_files(own)
    with opened(own) as service:
        run(service)
        version = service.version()
    with (
        pytest.raises(SettingsError, match=r"not of the sample: crm/crm_customers\.csv and 1 more"),
        opened(sample_in(own, tmp_path / "sample")),
    ):
        pass
    with opened(own) as service:
        assert service.version() == version


@pytest.mark.parametrize("asked", [("run",), ("up", "--port", str(free_port()))], ids=["run", "up"])
def test_commands_end_with_2(tmp_path: Path, asked: tuple[str, ...]) -> None:
    own = workspace(tmp_path / "own")
    few_files(own)
    with opened(own) as service:
        run(service)
    told = environment(own) | {"METALAYER_WAREHOUSE": own.warehouse}
    line = [sys.executable, "-m", "etl", *asked, "--sample"]
    done = subprocess.run(line, env=told, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == SettingsError.exit_code
    assert "Leave --sample out" in done.stderr
