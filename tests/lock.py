"""./metalayer lock: requirements*.txt → requirements*.lock; with --check, whether they belong together."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
NOT_RUN = 77  # the exit code that stands for "could not be examined"

COMPILE = [
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--system-certs", "--no-emit-index-url"),
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--custom-compile-command", "./metalayer lock"),
]
NO_SOLUTION = 1  # uv: the requirements contradict each other; any other failure is not theirs


def main(args: list[str]) -> int:
    return check() if args == ["--check"] else write(args)


def write(options: list[str]) -> int:
    """Write both, that of the users first: the developers' is bound to it. Options go to uv (--upgrade)."""
    for source, lock in LOCKS.items():
        code = compile_lock(source, ROOT / lock, options)
        if code:
            return code
        print(f"{lock}: written from {source}")
    return 0


def check() -> int:
    """Compile again beside the locks, which keep their pins: a new release upstream makes no difference."""
    with tempfile.TemporaryDirectory() as folder:
        return max(check_one(source, lock, Path(folder) / lock) for source, lock in LOCKS.items())


def check_one(source: str, lock: str, again: Path) -> int:
    shutil.copy(ROOT / lock, again)
    code = compile_lock(source, again, [])
    if code:
        return 1 if code == NO_SOLUTION else NOT_RUN
    kept, made = ((path.read_text("utf-8").splitlines()) for path in (ROOT / lock, again))
    if kept == made:
        return 0
    print(
        *list(difflib.unified_diff(kept, made, lock, f"compiled from {source}", lineterm="", n=1))[:30],
        sep="\n",
    )
    print(f"{lock} does not belong to {source}. Write it again: ./metalayer lock")
    return 1


def compile_lock(source: str, lock: Path, options: list[str]) -> int:
    return subprocess.run([*COMPILE, *options, source, "-o", str(lock)], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
