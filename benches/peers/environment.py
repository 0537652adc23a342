"""The virtual environment of the peers, and the files that the jobs read."""

import subprocess
import sys
import venv
from pathlib import Path

from places import EXAMPLES, FIXTURES, HERE, OUT, ROOT

PYTHON = OUT / "venv/bin/python"


def make() -> None:
    """Makes the environment with what the checks need."""
    if not PYTHON.exists():
        venv.create(OUT / "venv", with_pip=True)
    error = install("requirements.txt")
    if error:
        sys.exit(f"cannot set up {OUT / 'venv'}: {error}")


def install(name: str) -> str | None:
    """Installs a file of requirements; what went wrong, if anything did. What is there is kept."""
    wanted = HERE / name
    stamp = OUT / "venv" / f"{name}.installed"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return None
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", wanted]
    print(f"pip install {name}", file=sys.stderr)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return last_line(done.stderr) or f"pip ended with {done.returncode}"
    stamp.write_text(wanted.read_text())
    return None


def prepare_files(build: bool) -> None:
    """Builds the examples and, once, the fixtures."""
    if not (FIXTURES / "slide_b_mask.tiff").exists():
        subprocess.run(["cargo", "xtask", "fixtures"], cwd=ROOT, check=True)
    if build:
        subprocess.run(["cargo", "build", "--release", "--examples"], cwd=ROOT, check=True)
    if not (EXAMPLES / "read_lowest_level").exists():
        sys.exit("there is no target/release/examples/read_lowest_level; run without --no-build")


def last_line(text: str) -> str:
    """What a failed program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def tool(script: str, *arguments: str | Path) -> str:
    """Runs one of the scripts beside this in the environment; its standard output."""
    command = [PYTHON, HERE / script, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
