"""The container files, without an engine: linted, as their specification wants them, and as careful as we promise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.settings import ROOT

COMPOSE = ROOT / "docker-compose.yml"
FROM_ENVIRONMENT = ROOT / "deploy" / "password-from-environment.yml"
DOCKERFILE = ROOT / "Dockerfile"
DOCKERFILES = [DOCKERFILE, *sorted((ROOT / "deploy").rglob("*.Dockerfile"))]
SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "deploy").rglob("*.sh"))]
# Compose's own words for "take this out of what is laid under it"; no part of its schema.
TAKEN_OUT = re.compile(r"!reset (\[\]|\{\})")


def complaints(tool: str, *arguments: str | Path) -> str:
    """What a tool of the environment has to say; nothing when it is content."""
    program = Path(sysconfig.get_path("scripts")) / tool
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def stages() -> list[list[str]]:
    """The instructions of each stage of the Dockerfile."""
    joined = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    starts = [at for at, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([sm])", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


# -- what the tools say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_is_sound(path: Path) -> None:
    assert complaints("shellcheck", "--external-sources", path) == ""


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_follows_good_practice(path: Path) -> None:
    assert complaints("hadolint", path) == ""


@pytest.mark.parametrize("path", [COMPOSE, FROM_ENVIRONMENT], ids=lambda path: path.name)
def test_a_compose_file_is_one_by_its_specification(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / path.name
    plain.write_text(TAKEN_OUT.sub(r"\1", path.read_text()))
    assert complaints("check-jsonschema", "--builtin-schema", "vendor.compose-spec", plain) == ""


@pytest.mark.parametrize("more", [[], ["-f", str(FROM_ENVIRONMENT)]], ids=["file", "environment"])
def test_compose_itself_reads_it(more: list[str]) -> None:
    if not has_compose():
        return  # the specification above is what can be asked here
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE), *more, "config", "--quiet"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "METALAYER_DATABASE_PASSWORD": "given"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def has_compose() -> bool:
    docker = shutil.which("docker")
    asked = [docker or "", "compose", "version"]
    return bool(docker) and subprocess.run(asked, capture_output=True, check=False).returncode == 0


# -- what we promise --------------------------------------------------------------------------------------------


def test_the_image_is_made_in_stages_and_the_last_one_installs_nothing() -> None:
    built, image = stages()
    assert any("--require-hashes" in line and "--no-cache-dir" in line for line in built)
    assert not [line for line in image if re.search(r"\b(pip|apt-get|gcc|curl)\b", line)]


def test_the_image_runs_as_a_number_that_is_not_root_and_asks_itself_how_it_is() -> None:
    (user,) = [line.split()[1] for line in stages()[-1] if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert any(line.startswith("HEALTHCHECK ") and "/healthz" in line for line in stages()[-1])


def test_the_base_image_is_pinned_to_a_release_and_can_be_replaced() -> None:
    default = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert default is not None
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", default.group(1))
    assert [stage[0].split()[1] for stage in stages()] == ["${PYTHON_IMAGE}"] * 2
    assert "syntax=" not in DOCKERFILE.read_text(), "it would be fetched from a registry"


@pytest.mark.parametrize("name", ["app", "database"])
def test_a_service_can_do_no_more_than_it_must_and_comes_back(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert seconds(service["stop_grace_period"]) >= 10
    assert "container_name" not in service, "there may be several copies"
    assert "privileged" not in service


def test_the_app_waits_for_a_healthy_database() -> None:
    assert services()["app"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "pg_isready" in services()["database"]["healthcheck"]["test"]


def test_the_database_is_reached_by_the_app_alone() -> None:
    assert "ports" not in services()["database"]
    assert services()["database"]["networks"] == ["inside"]
    assert yaml.safe_load(COMPOSE.read_text())["networks"]["inside"] == {"internal": True}


def test_the_app_is_published_on_this_machine_unless_asked_otherwise() -> None:
    assert services()["app"]["ports"] == ["${METALAYER_PUBLISH:-127.0.0.1}:${METALAYER_PORT:-8501}:8501"]


def test_serving_others_without_sign_in_is_never_the_default() -> None:
    lines = [line for line in services()["app"]["environment"] if "ALLOW_ANONYMOUS" in line]
    here, elsewhere = "${METALAYER_ALLOW_ANONYMOUS:-1}", "${METALAYER_ALLOW_ANONYMOUS:-0}"
    assert lines == [
        f"METALAYER_ALLOW_ANONYMOUS={here}",
        f"METALAYER_${{METALAYER_PUBLISH:+ALLOW_ANONYMOUS={elsewhere}}}",
    ]


@pytest.mark.parametrize("path", [COMPOSE, FROM_ENVIRONMENT], ids=lambda path: path.name)
def test_no_password_is_written_down(path: Path) -> None:
    said = yaml.safe_load(TAKEN_OUT.sub(r"\1", path.read_text()))
    entries = [entry for service in said["services"].values() for entry in pairs(service["environment"])]
    values = {value for name, value in entries if "PASSWORD" in name}
    given = values - {"", "/run/secrets/database_password"}
    assert values
    assert all(value.startswith("${METALAYER_DATABASE_PASSWORD:?") for value in given)
    for secret in said["secrets"].values():
        assert secret == {"file": "${METALAYER_DATABASE_PASSWORD_FILE:-./secrets/database_password}"}


def pairs(environment: dict[str, str] | list[str]) -> list[tuple[str, str]]:
    """The names and values of a service's environment, in whichever form it is written."""
    if isinstance(environment, dict):
        return list(environment.items())
    return [(name, value) for name, _, value in (entry.partition("=") for entry in environment)]


def test_what_must_last_lies_in_volumes_and_what_is_the_users_is_only_read() -> None:
    assert "database:/var/lib/postgresql" in services()["database"]["volumes"]
    state, landing = services()["app"]["volumes"]
    assert state == "state:/app/data/state"
    assert landing.endswith(":/app/data/landing:ro")


def test_the_how_to_names_every_variable_that_the_compose_files_read() -> None:
    told = (ROOT / "docs" / "how-to" / "containers.md").read_text()
    read = {
        name
        for path in (COMPOSE, FROM_ENVIRONMENT)
        for name in re.findall(r"\$\{(METALAYER_\w+)", path.read_text())
    }
    assert sorted(name for name in read if f"`{name}`" not in told) == []
