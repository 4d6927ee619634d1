"""Where things are and when they run: environment `METALAYER_*`, then `metalayer.toml`, then the defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from etl.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_FILE = "metalayer.toml"
DEFAULT_SCHEDULE = "*/15 * * * *"
KEYS = (
    "warehouse", "ledger", "project", "landing", "state", "schedule", "threads", "memory_limit",
    "database_password", "database_password_file", "database_tls", "database_ca", "reader", "reader_password",
    "reader_password_file", "allow_anonymous",
)  # fmt: skip
POSTGRES = "postgresql+psycopg2"
READER = "metalayer_reader"
_USER = re.compile(r"[^:/?#\s]+")
_SERVER = re.compile(r"(\[[\da-fA-F:.]+\]|[\w.%-]*)(:\d+)?")
_NAME = re.compile(r"[^:/?#@\s]+")
_SCHEME = re.compile(r"(postgresql|postgres|mysql|mariadb|duckdb|sqlite)(\+\w+)?:/*")
_PLAIN = re.compile(r"[\w./ -]*")  # nothing that could part a password from its place
TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")  # libpq's sslmode


@dataclass(frozen=True)
class Database:
    """How a PostgreSQL is reached beside its URL. Secrets are in here and in no URL, and are never shown."""

    password: str | None = field(default=None, repr=False)
    ledger_password: str | None = field(default=None, repr=False)  # None: the same
    tls: str | None = None  # libpq's sslmode; None leaves it to the URL
    ca: Path | None = None  # certificates that the server's one is checked against
    reader: str = READER  # the role that analysts and the query page read with
    reader_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """One workspace. Folders are absolute; `warehouse` and `ledger` are URLs without passwords; `schedule` is cron in
    UTC.
    """

    root: Path
    project: Path
    landing: Path
    state: Path
    warehouse: str
    ledger: str
    schedule: str = DEFAULT_SCHEDULE
    sample: bool = False
    threads: int | None = None
    memory_limit: str | None = None
    database: Database = field(default_factory=Database)
    allow_anonymous: bool = False  # whether an address that others can reach may be served without sign-in

    @property
    def on_postgres(self) -> bool:
        """Whether the warehouse is a PostgreSQL that several processes share."""
        return is_postgres(self.warehouse)

    @property
    def on_its_own(self) -> bool:
        """Whether the warehouse lies in the state folder, where no other workspace keeps one."""
        return self.warehouse.startswith(f"duckdb:///{self.state}/")

    @property
    def files(self) -> Path:
        """The one folder beside the landing folder that a warehouse connection may read and write."""
        return self.state / "files"

    @property
    def engine_file(self) -> Path:
        """Where a running `up` says how commands reach it."""
        return self.state / "engine.json"

    @property
    def dirty_sample(self) -> Path:
        """The sample with faults; it can be loaded on top of the clean one."""
        return self.root / "data" / "sample-dirty"


@dataclass(frozen=True)
class _Given:
    """A setting as written, and where it was written."""

    text: str
    origin: str


def read_settings(
    environ: Mapping[str, str] | None = None, *, sample: bool | None = None, root: Path = ROOT
) -> Settings:
    """The settings of this workspace. Raises SettingsError, naming the value, its origin and what is valid."""
    environ = os.environ if environ is None else environ
    given = _from_file(root / SETTINGS_FILE) | _from_environment(environ)
    if sample is None:
        sample = environ.get("METALAYER_SAMPLE", "") == "1"
    state = _folder(given, "state", root / "data" / "state", root)
    landing = _folder(given, "landing", root / "data" / "landing", root)
    if sample:
        state, landing = state / "sample", root / "data" / "sample"
    settings = Settings(
        root=root,
        project=_folder(given, "project", root, root),
        landing=landing,
        state=state,
        warehouse=_warehouse(given, state, root),
        ledger=_ledger(given, state, root),
        schedule=given["schedule"].text if "schedule" in given else DEFAULT_SCHEDULE,
        sample=sample,
        threads=_threads(given),
        memory_limit=given["memory_limit"].text if "memory_limit" in given else None,
        database=_database(given, root),
        allow_anonymous=_flag(given, "allow_anonymous"),
    )
    _check_cron(settings.schedule, given)
    return settings


def with_state(settings: Settings, state: Path) -> Settings:
    """The same workspace with its embedded files in another folder."""
    return replace(
        settings,
        state=state,
        warehouse=f"duckdb:///{state / 'warehouse.duckdb'}",
        ledger=f"sqlite:///{state / 'ledger.sqlite'}",
        database=Database(),
    )


def embedded_path(url: str) -> Path:
    """The file behind a `duckdb:///` or `sqlite:///` URL."""
    return Path(url.split(":///", 1)[1])


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    names = {key: f"METALAYER_{key.upper()}" for key in KEYS}
    return {
        key: _Given(environ[name], f"environment variable {name}")
        for key, name in names.items()
        if environ.get(name)
    }


def _from_file(path: Path) -> dict[str, _Given]:
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise SettingsError(f"{path.name} is not valid TOML: {fault}.", "Mend that line.") from fault
    unknown = sorted(set(content) - set(KEYS))
    if unknown:
        raise SettingsError(
            f"{path.name} sets {unknown[0]!r}, which is not a setting.", f"Valid are: {', '.join(KEYS)}."
        )
    return {key: _Given(str(value), path.name) for key, value in content.items()}


def _folder(given: Mapping[str, _Given], key: str, default: Path, root: Path) -> Path:
    if key not in given:
        return default
    folder = (root / Path(given[key].text).expanduser()).resolve()
    if key in ("state", "landing") and (strange := next((c for c in "*?[" if c in str(folder)), "")):
        raise SettingsError(
            f"{key} = {given[key].text!r} ({given[key].origin}) has a {strange} in its path.",
            "The warehouse takes that for a pattern: use another folder.",
        )
    if folder.exists() and not folder.is_dir():
        raise SettingsError(
            f"{key} = {given[key].text!r} ({given[key].origin}) is a file.", "Name a folder instead."
        )
    if key == "project" and not (folder / "contracts").is_dir():
        raise SettingsError(
            f"project = {given[key].text!r} ({given[key].origin}) holds no folder 'contracts'.",
            "Name the folder that holds contracts/ and gold/.",
        )
    return folder


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL."""
    return url.startswith("postgresql")


def _warehouse(given: Mapping[str, _Given], state: Path, root: Path) -> str:
    if "warehouse" not in given:
        return f"duckdb:///{state / 'warehouse.duckdb'}"
    url = given["warehouse"]
    if url.text.startswith("duckdb:///"):
        return f"duckdb:///{_url_path(url, root)}"
    if is_postgres(url.text):
        return _postgres("warehouse", url)
    raise SettingsError(
        f"warehouse = {_shown(url.text)!r} ({url.origin}) is not a warehouse of this version.",
        f"Valid are duckdb:///PATH, relative to the project's root or absolute, and {POSTGRES}://USER@HOST:PORT/DATABASE.",
    )


def _ledger(given: Mapping[str, _Given], state: Path, root: Path) -> str:
    if "ledger" not in given:
        # A team's ledger lies in its warehouse: whoever shares the one shares the other.
        warehouse = _warehouse(given, state, root)
        return warehouse if is_postgres(warehouse) else f"sqlite:///{state / 'ledger.sqlite'}"
    url = given["ledger"]
    if url.text.startswith("sqlite:///"):
        return f"sqlite:///{_url_path(url, root)}"
    if is_postgres(url.text):
        return _postgres("ledger", url)
    raise SettingsError(
        f"ledger = {_shown(url.text)!r} ({url.origin}) is not a ledger of this version.",
        f"Valid are sqlite:///PATH, relative to the project's root or absolute, and {POSTGRES}://USER@HOST:PORT/DATABASE.",
    )


def _postgres(key: str, url: _Given) -> str:
    """The URL of a database, the password taken out of it."""
    scheme, _, rest = url.text.partition("://")
    login, server, database, options = _parts(rest)
    user = login.partition(":")[0]
    whole = _USER.fullmatch(user) and _SERVER.fullmatch(server) and _NAME.fullmatch(database)
    if scheme not in (POSTGRES, "postgresql") or not whole or "@" in options:
        raise SettingsError(
            f"{key} = {_shown(url.text)!r} ({url.origin}) is no address of a database.",
            f"Write {POSTGRES}://USER@HOST:PORT/DATABASE; the password may stand in METALAYER_DATABASE_PASSWORD.",
        )
    if "password" in unquote(options).lower():
        raise SettingsError(
            f"{key} ({url.origin}) has a password among its options, where it would be shown.",
            "Give it in METALAYER_DATABASE_PASSWORD, or in a file named by METALAYER_DATABASE_PASSWORD_FILE.",
        )
    return f"{POSTGRES}://{user}@{server}/{database}{'?' if options else ''}{options}"


def _parts(rest: str) -> tuple[str, str, str, str]:
    """Login, server, database and options of what follows `://`; what has no @ has no login."""
    place, _, options = rest.partition("?")
    login, _, host = place.rpartition("@")
    server, _, database = host.partition("/")
    return login, server, database, options


def _database(given: Mapping[str, _Given], root: Path) -> Database:
    own = {key: _password_in(given[key].text) if key in given else None for key in ("warehouse", "ledger")}
    named = _secret(given, "database_password", root)
    tls = given["database_tls"].text if "database_tls" in given else None
    if tls is not None and tls not in TLS_MODES:
        raise SettingsError(
            f"database_tls = {tls!r} ({given['database_tls'].origin}) is not known.",
            f"Valid are {', '.join(TLS_MODES)}.",
        )
    return Database(
        password=own["warehouse"] or named,
        ledger_password=own["ledger"] or (named if "ledger" in given else None),
        tls=tls,
        ca=(root / given["database_ca"].text).resolve() if "database_ca" in given else None,
        reader=given["reader"].text if "reader" in given else READER,
        reader_password=_secret(given, "reader_password", root),
    )


def _secret(given: Mapping[str, _Given], key: str, root: Path) -> str | None:
    """A secret as it is given, or from the file that is named for it; its line end is no part of it."""
    file = f"{key}_file"
    if key in given and file in given:
        raise SettingsError(f"{key} ({given[key].origin}) and {file} are both set.", "Set one of them.")
    if file not in given:
        return given[key].text if key in given else None
    path = root / given[file].text
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is no UTF-8 text"
        raise SettingsError(
            f"{file} = {str(path)!r} ({given[file].origin}) cannot be read: {why}.", "Check its permissions."
        ) from fault


def _flag(given: Mapping[str, _Given], key: str) -> bool:
    if key not in given:
        return False
    text = given[key].text.lower()
    if text not in ("0", "1", "true", "false"):
        raise SettingsError(
            f"{key} = {given[key].text!r} ({given[key].origin}) is neither yes nor no.", "Use 1 or 0."
        )
    return text in ("1", "true")


def _password_in(url: str) -> str | None:
    """What stands between the colon and the @ of a URL."""
    _, _, password = _parts(url.partition("://")[2])[0].partition(":")
    return unquote(password) or None


def _url_path(url: _Given, root: Path) -> Path:
    path = url.text.split(":///", 1)[1]
    if path in ("", ":memory:"):
        raise SettingsError(f"{url.text!r} ({url.origin}) names no file.", "Add the file's path.")
    return (root / path).resolve()


def _shown(url: str) -> str:
    """What may be shown of an address that cannot be made out: where a password could be in it, its scheme alone."""
    found = _SCHEME.match(url)
    scheme = found[0] if found else ""
    return url if _PLAIN.fullmatch(url, len(scheme)) else f"{scheme}…"


def _threads(given: Mapping[str, _Given]) -> int | None:
    if "threads" not in given:
        return None
    text = given["threads"].text
    if not text.isdigit() or not 1 <= int(text) <= 256:  # noqa: PLR2004
        raise SettingsError(
            f"threads = {text!r} ({given['threads'].origin}) is not a number of threads.", "Use 1 to 256."
        )
    return int(text)


def _check_cron(text: str, given: Mapping[str, _Given]) -> None:
    fields = text.split()
    if len(fields) != 5:  # noqa: PLR2004
        origin = given["schedule"].origin if "schedule" in given else "default"
        raise SettingsError(
            f"schedule = {text!r} ({origin}) is not a cron line.",
            "Give five fields in UTC: minute hour day month weekday, such as '*/15 * * * *'.",
        )
