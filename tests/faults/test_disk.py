"""The disk of the database is full: the run fails and says so, the last good version stays, the next run goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

from etl.model import RunState
from etl.settings import Settings
from tests.contents import PUBLISHED, contents
from tests.faults.twins import Uninterrupted, files, lying_on, require_ended_well, require_lease, require_once
from tests.postgres import Server, running_server
from tests.templates import MEMORY
from tests.workspaces import SALES, land, opened, run, workspace

DISK_BYTES = 200_000_000
LEFT_BYTES = 3_000_000
MANY = 40_000
MOUNT = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "small")


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder of so many bytes that every user may enter; what lies there is gone afterwards."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        place = Path(folder)
        place.chmod(0o755)
        if os.geteuid() == 0:
            subprocess.run([*MOUNT, place], check=True)
            try:
                yield place
            finally:
                subprocess.run(["umount", "-l", place], check=True)
            return
        # Who is not root may mount in a name space of one's own, and look into it from outside.
        keeping = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            '"$@" && echo && exec cat',
            "-",
        ]
        with subprocess.Popen([*keeping, *MOUNT, place], stdin=PIPE, stdout=PIPE) as keeper:
            assert keeper.stdout is not None
            assert keeper.stdout.readline(), (
                "This machine lets only root have a small disk: run this test as root."
            )
            yield Path(f"/proc/{keeper.pid}/root{place}")


def fill(folder: Path) -> Path:
    """A file that leaves little room."""
    ballast = folder / "ballast"
    stat = os.statvfs(folder)
    size = stat.f_bavail * stat.f_frsize - LEFT_BYTES
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return ballast


def test_a_run_on_a_full_disk_fails_with_the_reason_and_the_next_one_goes_on(
    tmp_path: Path, postgres: Server
) -> None:
    with (
        small_disk() as disk,
        running_server(disk, settings={"max_wal_size": "64MB", "min_wal_size": "32MB"}) as server,
        opened(lying_on(postgres, workspace(tmp_path / "uninterrupted"))) as twin,
        opened(lying_on(server, workspace(tmp_path / "full"))) as service,
    ):
        uninterrupted = Uninterrupted(twin, mends=False)
        files(service.settings, 0)
        uninterrupted.go_on()
        assert run(service).state is RunState.SUCCEEDED
        before = contents(service, PUBLISHED)

        ballast = fill(disk)
        for settings in (service.settings, twin.settings):
            many_sales(settings)
        ended = run(service)
        assert ended.state is RunState.FAILED
        assert "No space is left" in ended.error or "disk is full" in ended.error, ended.error
        assert "Free some space" in ended.error
        assert contents(service, PUBLISHED) == before, "the last good version stays"
        require_once(service)

        ballast.unlink()
        files(service.settings, 1)
        uninterrupted.go_on()
        require_lease(service)
        again = run(service)
        assert again.state is RunState.SUCCEEDED, again.error
        require_ended_well(service, uninterrupted)


def many_sales(settings: Settings) -> None:
    """More than there is room for."""
    lines = (f"{100_000 + n},{n % 88},1,1,2026-03-{1 + n % 28:02},1.{n % 100:02}\n" for n in range(MANY))
    land(settings, "erp/erp_sales_many.csv", SALES + "".join(lines))
