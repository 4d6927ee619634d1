"""Where things are and when they run: environment `METALAYER_*`, then `metalayer.toml`, then the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_FILE = "metalayer.toml"
DEFAULT_SCHEDULE = "*/15 * * * *"
KEYS = ("warehouse", "ledger", "project", "landing", "state", "schedule", "threads", "memory_limit")


@dataclass(frozen=True)
class Settings:
    """One workspace. Folders are absolute; `warehouse` and `ledger` are URLs; `schedule` is cron in UTC."""

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


def _warehouse(given: Mapping[str, _Given], state: Path, root: Path) -> str:
    if "warehouse" not in given:
        return f"duckdb:///{state / 'warehouse.duckdb'}"
    url = given["warehouse"]
    if url.text.startswith("duckdb:///"):
        return f"duckdb:///{_url_path(url, root)}"
    raise SettingsError(
        f"warehouse = {_without_password(url.text)!r} ({url.origin}) is not a warehouse of this version.",
        "Valid is duckdb:///PATH, relative to the project's root or absolute.",
    )


def _ledger(given: Mapping[str, _Given], state: Path, root: Path) -> str:
    if "ledger" not in given:
        return f"sqlite:///{state / 'ledger.sqlite'}"
    url = given["ledger"]
    if url.text.startswith("sqlite:///"):
        return f"sqlite:///{_url_path(url, root)}"
    raise SettingsError(
        f"ledger = {_without_password(url.text)!r} ({url.origin}) is not a ledger of this version.",
        "Valid is sqlite:///PATH, relative to the project's root or absolute.",
    )


def _url_path(url: _Given, root: Path) -> Path:
    path = url.text.split(":///", 1)[1]
    if path in ("", ":memory:"):
        raise SettingsError(f"{url.text!r} ({url.origin}) names no file.", "Add the file's path.")
    return (root / path).resolve()


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    scheme, slashes, login = head.partition("://")
    return f"{scheme}{slashes}{login.split(':', 1)[0]}{at}{tail}" if at else url


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
