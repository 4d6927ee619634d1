"""The launcher, as a real process in a project of its own, with a stand-in for uv: nothing is fetched."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from statistics import median
from types import ModuleType

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "metalayer"

ENGINE = """
import os, sys
print(*sys.argv[1:], sep="|")
print(os.getcwd())
print("keeps bytecode:", not sys.dont_write_bytecode)
sys.exit(int(os.environ.get("ENGINE_EXIT", "0")))
"""

# Makes a .venv that holds no more than the interpreter, and keeps a diary. UV_FAULT is run before installing.
UV = """#!/bin/sh
diary="${0%/*}/../diary"
echo "$1 begins" >> "$diary"
case "$1" in
  venv)
    mkdir -p "$4/bin" "$4/lib/python3/site-packages" && ln -s "$3" "$4/bin/python"
    echo "home = ${3%/*}" > "$4/pyvenv.cfg" ;;
  pip) eval "${UV_FAULT:-:}" ;;
esac
echo "$1 ends" >> "$diary"
"""


class Project:
    """A folder with the launcher, an engine that says what it was handed, and the stand-in for uv."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tools = root / "tools"
        self.diary_path = root / "diary"

    @classmethod
    def make(cls, root: Path) -> Project:
        project = cls(root)
        for name, text in {
            "requirements.lock": "# one",
            "requirements-dev.lock": "# one, and more",
            "etl/__main__.py": ENGINE,
            "tests/run.py": "print('the test runner')",
            "tests/__init__.py": "",
            "tools/uv": UV,
        }.items():
            project.write(name, text)
        (project.tools / "uv").chmod(0o755)
        shutil.copy(LAUNCHER, root / "metalayer")
        return project

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def start(self, *args: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.root / "metalayer"), *args],
            cwd=cwd or self.root,
            env={**os.environ, "PATH": f"{self.tools}:/usr/bin:/bin", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *args: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*args, cwd=cwd, **environment)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def diary(self) -> list[str]:
        """What the stand-in did since the last look."""
        lines = self.diary_path.read_text().splitlines() if self.diary_path.exists() else []
        self.diary_path.unlink(missing_ok=True)
        return lines


ANEW = ["venv begins", "venv ends", "pip begins", "pip ends"]
IN_PLACE = ["pip begins", "pip ends"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project as it comes from a clone."""
    return Project.make(tmp_path / "project")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project.make(tmp_path_factory.mktemp("finished") / "project")
    assert project.run().returncode == 0
    assert project.diary() == ANEW
    return project.root


@pytest.fixture
def ready(finished: Path, tmp_path: Path) -> Project:
    """A project whose set-up is done."""
    return Project(Path(shutil.copytree(finished, tmp_path / "project", symlinks=True)))


@pytest.fixture
def launcher() -> ModuleType:
    loader = SourceFileLoader("metalayer_launcher", str(LAUNCHER))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# --- What it needs ---


@pytest.mark.parametrize(
    ("here", "cure"),
    [
        ("python3.12", "It is here as python3.12: python3.12 "),
        (None, "sudo apt install python3 python3-venv"),
    ],
    ids=["with a newer one beside it", "alone"],
)
def test_an_old_python_is_told_what_is_needed_what_was_found_and_what_to_do(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch, here: str | None, cure: str
) -> None:
    monkeypatch.setattr(launcher, "starts", lambda interpreter: interpreter == here)
    with pytest.raises(launcher.SetupProblem) as told:
        launcher.require_python((3, 10, 13), "/opt/old/python3")
    for part in ("Python 3.11 or newer is needed", "3.10.13 (/opt/old/python3)", cure):
        assert part in str(told.value)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 2), (4, 0, 0)], ids=str)
def test_a_python_that_is_new_enough_is_taken(launcher: ModuleType, version: tuple[int, ...]) -> None:
    launcher.require_python(version, "python3")


def test_a_python_as_old_as_3_6_can_read_it_to_the_message() -> None:
    ast.parse(LAUNCHER.read_text("utf-8"), feature_version=(3, 6))


def test_it_imports_the_standard_library_and_nothing_else() -> None:
    tree = ast.walk(ast.parse(LAUNCHER.read_text("utf-8")))
    names = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
    tree = ast.walk(ast.parse(LAUNCHER.read_text("utf-8")))
    names |= {str(node.module) for node in tree if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_python_without_venv_is_told_which_package_brings_it(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(launcher.SetupProblem, match=r"comes without ensurepip.*apt install python3-venv"):
        launcher.require_venv_module()


def test_a_missing_lock_file_is_named(project: Project) -> None:
    (project.root / "requirements.lock").unlink()
    told = project.run("status")
    assert told.returncode == 2
    assert "requirements.lock is missing" in told.stderr


# --- Set-up: once, whole, shown ---


def test_the_first_start_sets_up_and_shows_each_step_on_stderr(project: Project) -> None:
    first = project.run("status")
    assert project.diary() == ANEW
    steps = first.stderr.splitlines()
    assert [step.split("  ")[-1].split(" ")[0] for step in steps[1:]] == [
        "making",
        "installing",
        "compiling",
        "ready",
    ]
    assert first.stdout.startswith("status\n")


def test_the_second_start_sets_nothing_up_and_says_nothing(ready: Project) -> None:
    second = ready.run("status")
    assert (second.returncode, second.stderr, ready.diary()) == (0, "", [])


def test_a_changed_lock_file_is_installed_into_what_is_there(ready: Project) -> None:
    ready.write("requirements.lock", "# two")
    assert ready.run().returncode == 0
    assert ready.diary() == IN_PLACE


def test_a_lock_file_that_was_only_touched_changes_nothing(ready: Project) -> None:
    os.utime(ready.root / "requirements.lock", (0, 0))
    assert ready.run().returncode == 0
    assert ready.diary() == []


def test_another_interpreter_behind_the_venv_means_a_new_installation(ready: Project) -> None:
    stand_behind_the_venv(ready)
    assert ready.run().returncode == 0
    assert ready.diary() == IN_PLACE


def test_an_interpreter_that_went_away_means_a_new_venv(ready: Project) -> None:
    interpreter = stand_behind_the_venv(ready)
    ready.run()
    ready.diary()
    interpreter.unlink()
    assert ready.run().returncode == 0
    assert ready.diary() == ANEW


def stand_behind_the_venv(project: Project) -> Path:
    """Another interpreter in the place of the one that made .venv, as after an upgrade of the system."""
    interpreter = project.tools / "python3.99"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    python = project.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to(interpreter)
    return interpreter


def test_what_test_installs_is_enough_for_the_engine(project: Project) -> None:
    assert "the test runner" in project.run("test").stdout
    assert project.diary() == ANEW
    assert project.run().returncode == 0
    assert project.diary() == []


def test_what_the_engine_needs_is_not_enough_for_test(ready: Project) -> None:
    assert "the test runner" in ready.run("test").stdout
    assert ready.diary() == IN_PLACE


def test_an_installation_for_the_engine_makes_that_for_test_doubtful(project: Project) -> None:
    project.run("test")
    project.write("requirements.lock", "# two")
    project.run("status")
    project.diary()
    project.run("test")
    assert project.diary() == IN_PLACE


def test_a_venv_nobody_finished_is_made_anew(project: Project) -> None:
    project.write(".venv/lib/half", "a package that was cut in the middle")
    assert project.run().returncode == 0
    assert project.diary() == ANEW
    assert not (project.root / ".venv/lib/half").exists()


@pytest.mark.parametrize("before", ["nothing", "a finished set-up"])
def test_a_killed_set_up_is_never_taken_for_done(request: pytest.FixtureRequest, before: str) -> None:
    project: Project = request.getfixturevalue("ready" if before == "a finished set-up" else "project")
    project.write("requirements.lock", "# two")
    # The tool ends with it: what it wrote later would stand in the next set-up's diary.
    assert project.run(UV_FAULT="kill -9 $PPID; exit").returncode == -9
    project.diary()
    assert project.run().returncode == 0
    assert project.diary() == ANEW


def test_a_set_up_waits_for_the_tool_that_a_killed_one_left_behind(project: Project) -> None:
    assert project.run(UV_FAULT="kill -9 $PPID; exec >/dev/null 2>&1; sleep 0.2").returncode == -9
    second = project.run()
    assert "another set-up is at work" in second.stderr
    assert project.diary() == ["venv begins", "venv ends", "pip begins", "pip ends", *ANEW]


def test_two_first_starts_at_once_set_up_once(project: Project) -> None:
    both = [project.start("status", UV_FAULT="sleep 0.2") for _ in range(2)]
    for process in both:
        process.communicate(timeout=30)
    assert [process.returncode for process in both] == [0, 0]
    assert project.diary() == ANEW


def test_a_set_up_that_fails_says_what_the_tool_said(
    launcher: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["/bin/sh", "-c", "echo no route to the registry; exit 3"]
    with pytest.raises(launcher.SetupProblem, match=r"exit code 3: .*\n    no route to the registry\nCure"):
        launcher.Setup("run").call(command)
    assert capsys.readouterr().err == ""


def test_where_uv_fails_pip_is_tried(launcher: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def call(command: list[str]) -> None:
        tried.append(" ".join(Path(word).name if "/" in word else word for word in command))
        if command[0] == "/somewhere/uv":
            raise launcher.SetupProblem("no answer")

    setup = launcher.Setup("run")
    monkeypatch.setattr(setup, "call", call)
    monkeypatch.setattr(setup, "finished_before", True)
    monkeypatch.setattr(launcher, "find_uv", lambda: "/somewhere/uv")
    monkeypatch.setattr(launcher, "remove", lambda path: tried.append(f"remove {Path(path).name}"))
    setup.install()
    assert [words.split(" ")[0] for words in tried] == [
        "uv",
        "remove",
        Path(launcher.base_python()).name,
        "python",
    ]
    assert tried[-1].endswith("--require-hashes -r requirements.lock")


def test_the_uv_inside_the_venv_does_not_replace_the_venv_it_runs_from(
    launcher: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "VENV", str(tmp_path))
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(uv.parent))
    assert launcher.find_uv() is None


# --- Hand-over: the engine as if it had been called itself ---


@pytest.mark.parametrize("code", ["0", "1", "2", "7"])
def test_the_exit_code_is_the_engines(ready: Project, code: str) -> None:
    assert ready.run("status", ENGINE_EXIT=code).returncode == int(code)


def test_arguments_and_folder_are_the_users(ready: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    said = ready.run("query", 'select 1 as "a b"', "--json", cwd=elsewhere).stdout.splitlines()
    assert said[:2] == ['query|select 1 as "a b"|--json', str(elsewhere)]


def test_without_arguments_the_engine_is_asked_and_not_the_launcher(ready: Project) -> None:
    assert ready.run().stdout.splitlines()[0] == ""


def test_a_link_to_the_launcher_finds_its_project(ready: Project, tmp_path: Path) -> None:
    link = tmp_path / "metalayer"
    link.symlink_to(ready.root / "metalayer")
    said = subprocess.run([sys.executable, str(link), "status"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("status\n")


def test_a_folder_named_etl_where_the_user_stands_is_not_taken_for_the_engine(
    ready: Project, tmp_path: Path
) -> None:
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "__main__.py").write_text("print('somebody else')")
    assert ready.run("status", cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout.startswith("status\n")


def test_the_engine_keeps_its_bytecode_whatever_the_shell_says(ready: Project) -> None:
    assert "keeps bytecode: True" in ready.run("status", PYTHONDONTWRITEBYTECODE="1").stdout


# --- What it costs ---

FAST_PATH = """
import sys
before = set(sys.modules)
from importlib.machinery import SourceFileLoader
launcher = SourceFileLoader("launcher", sys.argv[1]).load_module()
launcher.os.execve = lambda *command: print(*(set(sys.modules) - before))
launcher.main(["status"])
"""


def test_a_start_imports_none_of_what_only_the_set_up_needs(ready: Project) -> None:
    said = subprocess.run(
        [sys.executable, "-S", "-W", "ignore", "-c", FAST_PATH, str(ready.root / "metalayer")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hashlib" in said.stdout.split()
    assert not {"subprocess", "pathlib", "shutil", "venv", "typing", "re", "fcntl"} & set(said.stdout.split())


def test_what_the_launcher_adds_to_a_start_is_told(
    ready: Project, record_property: Callable[[str, object], None]
) -> None:
    ready.write("etl/__main__.py", "")
    python = str(ready.root / ".venv/bin/python")

    def milliseconds(command: list[str]) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run(command, cwd=ready.root, check=True)
            times.append(time.perf_counter() - started)
        return 1000 * median(times)

    engine = milliseconds([python, "-m", "etl"])
    whole = milliseconds([python, str(ready.root / "metalayer")])
    assert whole > 0
    record_property(
        "measured", f"launcher: {whole - engine:.0f} ms before an engine that needs {engine:.0f} ms"
    )
