"""Addresses of databases: what is read out of them, and that no message shows a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import SettingsError
from etl.settings import ROOT, Settings, read_settings

SECRET = "SECRET"
SCHEME = "postgresql+psycopg2"
KEYS = ("METALAYER_WAREHOUSE", "METALAYER_LEDGER")


def read(tmp_path: Path, key: str, url: str) -> Settings:
    environ = {"METALAYER_PROJECT": str(ROOT), key: url}
    if key == "METALAYER_LEDGER":
        environ["METALAYER_WAREHOUSE"] = f"{SCHEME}://u@h/db"
    return read_settings(environ, root=tmp_path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "rest",
    [
        "://u:pa?ssSECRET@host/db",
        "://u:SECRET?x@host/db",
        "://u:SEC@SECRET/x?y@host/db",
        "://u:SEC@SECRET/x?y=z@host/db",
        "://u:SECRET@host/db/more",
        "://u:SECRET@host",
        "://u:SECRET@host:port/db",
        "://u:x@host:SECRET/db",
        "://u:SECRET",
        "://:SECRET@host/db",
        ":///u:SECRET@host/db",
        ":u:SECRET@host/db",
        ":/u:SECRET@host/db",
        "//u:SECRET@host/db",
        "://u@host/db?password=SECRET",
        "://u@host/db?sslpassword=SECRET",
        "://u@host/db?%70assword=SECRET",
        "://u@host/?password=SECRET",
        "://host/db?password=SECRET",
    ],
)
def test_a_malformed_address_is_refused_without_its_password(tmp_path: Path, key: str, rest: str) -> None:
    for scheme in (SCHEME, "postgresql", "mysql"):
        with pytest.raises(SettingsError) as caught:
            read(tmp_path, key, f"{scheme}{rest}")
        told = f"{caught.value} {caught.value.hint} {caught.value!r}"
        assert SECRET not in told
        assert key.removeprefix("METALAYER_").lower() in told
        assert f"{SCHEME}://USER@HOST:PORT/DATABASE" in told or "METALAYER_DATABASE_PASSWORD" in told


@pytest.mark.parametrize("url", ["u:SECRET@host/db", "SECRET@host/db", "SECRET://u@host/db", "u://SECRET@h"])
def test_an_address_without_a_known_scheme_is_not_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, "METALAYER_WAREHOUSE", url)
    assert SECRET not in f"{caught.value}"


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("u:SEC@SECRET", "SEC@SECRET"),
        ("u:SEC/SECRET", "SEC/SECRET"),
        ("u:SEC#SECRET", "SEC#SECRET"),
        ("u:SEC:SECRET", "SEC:SECRET"),
        ("u:SEC%3fSECRET", "SEC?SECRET"),
        ("u:", None),
        ("u", None),
    ],
)
def test_a_password_is_taken_out_of_the_address_whole(
    tmp_path: Path, login: str, password: str | None
) -> None:
    settings = read(tmp_path, "METALAYER_WAREHOUSE", f"{SCHEME}://{login}@h:5432/db?connect_timeout=3")
    assert settings.warehouse == f"{SCHEME}://u@h:5432/db?connect_timeout=3"
    assert settings.database.password == password
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "place", ["h/db", "[::1]:5432/db", "/db?host=/var/run/postgresql", "h-1.example.org:1/d-b"]
)
def test_every_kind_of_place_is_taken(tmp_path: Path, place: str) -> None:
    assert (
        read(tmp_path, "METALAYER_WAREHOUSE", f"{SCHEME}://u:p@{place}").warehouse == f"{SCHEME}://u@{place}"
    )


def test_what_holds_no_password_is_shown_as_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'duckdb://warehouse\.duckdb'"):
        read(tmp_path, "METALAYER_WAREHOUSE", "duckdb://warehouse.duckdb")
