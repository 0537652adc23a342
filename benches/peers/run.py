#!/usr/bin/env python3
"""Times our release programs beside other slide readers; README.md says what and how.

    python3 benches/peers/run.py [--only wsi,openslide] [--jobs A,B-memory] [--repeat 7] [--quick]
"""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environment
import table
from contenders import OURS, PEERS, Contender, Ours, RustPeer, Skip, Worker
from jobs import Job, every_job
from places import OUT, ROOT

MEMORY = Path("/dev/shm")
"""Where timed jobs write: what creating files on a disk costs changes threefold from run to run."""
LIMIT = 300
"""Seconds for one process."""
ENVIRONMENT = os.environ | {"RUST_BACKTRACE": "0"}
FAILURES = (subprocess.SubprocessError, RuntimeError, OSError, ValueError, KeyError)
"""What a contender may do without stopping the others."""


def main() -> None:
    """Prepares, times, checks and reports."""
    arguments = parse()
    OUT.mkdir(parents=True, exist_ok=True)
    environment.make()
    environment.prepare_files(build=not arguments.no_build)
    contenders = choose(arguments)
    jobs = [job for job in every_job() if selected(job.name, arguments.jobs)]
    results: dict[str, Any] = {"machine": machine(), "command": sys.argv[1:], "jobs": {}}
    written = arguments.scratch or (MEMORY if os.access(MEMORY, os.W_OK) else OUT)
    results["written_to"] = str(written)
    with (
        tempfile.TemporaryDirectory(prefix="run-", dir=OUT) as own,
        tempfile.TemporaryDirectory(prefix="peers-", dir=written) as timed_out,
    ):
        folders = Folders(Path(own), Path(timed_out) / "out")
        for job in jobs:
            print(f"{job.name}: {job.title}", file=sys.stderr)
            results["jobs"][job.name] = run_job(job, contenders, folders, arguments)
            results["contenders"] = {c.name: c.about | {"error": c.error} for c in contenders}
            (OUT / "results.json").write_text(json.dumps(results, indent=1))
    (OUT / "table.md").write_text(table.render(results))
    environment.tool("chart.py", OUT / "results.json", OUT / "chart.png")
    print((OUT / "table.md").read_text())
    if table.ours_differ(results):
        sys.exit("our pixels are not OpenSlide's")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Times our programs beside other slide readers.")
    parser.add_argument("--only", help="contenders, by commas: wsi, " + ", ".join(PEERS))
    parser.add_argument("--jobs", help="jobs, by the beginning of their names, by commas")
    parser.add_argument("--repeat", type=int, default=7, help="runs of each (default: 7)")
    parser.add_argument("--quick", action="store_true", help="two runs of each")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--with-rust-peers", action="store_true", help="wsi-rs, too")
    parser.add_argument("--scratch", type=Path, help="where timed jobs write (default: memory)")
    parser.add_argument("--lock", type=Path, help="hold this file's lock while a job is timed")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.repeat = 2
    return arguments


def selected(name: str, filters: str | None) -> bool:
    """Whether a comma-separated list names it by its beginning, or there is none."""
    return not filters or any(name.startswith(part) for part in filters.split(","))


def choose(arguments: argparse.Namespace) -> list[Contender]:
    """The contenders that were asked for, installed."""
    contenders: list[Contender] = [Ours(OURS, about={"exact": True})]
    for name in PEERS:
        contenders.append(Worker(name))
    if arguments.with_rust_peers:
        contenders.append(RustPeer("wsi-rs"))
    if arguments.only:
        wanted = arguments.only.split(",")
        contenders = [contender for contender in contenders if contender.name in wanted]
    for contender in contenders:
        if isinstance(contender, RustPeer):
            contender.error = build_rust_peer()
        elif isinstance(contender, Worker):
            contender.error = environment.install(f"requirements-{contender.name}.txt")
        if contender.error:
            print(f"SKIP {contender.name}: {contender.error}", file=sys.stderr)
    return contenders


def build_rust_peer() -> str | None:
    """Builds the program of `rust/`; what went wrong, if anything did."""
    command = ["cargo", "build", "--release", "--locked", "--ignore-rust-version"]
    command += ["--target-dir", str(OUT / "rust")]
    folder = Path(__file__).resolve().parent / "rust"
    done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
    return environment.last_line(done.stderr) if done.returncode != 0 else None


@dataclass(frozen=True)
class Folders:
    """Where a run writes, none of which stays."""

    own: Path
    """Specs, and what is checked."""
    timed: Path
    """What a timed job saves; empty before each."""


def run_job(
    job: Job, contenders: list[Contender], folders: Folders, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Every contender once for the check, then all of them again and again, in turn."""
    rows: dict[str, dict[str, Any]] = {c.name: {"samples": []} for c in contenders}
    outputs: dict[str, str] = {}
    taking_part = []
    for contender in contenders:
        try:
            outputs[contender.name] = once_for_check(job, contender, folders)
            taking_part.append(contender)
        except (Skip, *FAILURES) as error:
            rows[contender.name]["error"] = str(error)
            print(f"  SKIP {contender.name}: {error}", file=sys.stderr)
    if job.checked and outputs:
        for name, report in checked(outputs, folders).items():
            rows[name]["check"] = report
            contender = next(c for c in contenders if c.name == name)
            if not report["equal"] and contender.about.get("exact"):
                print(f"  {name} DIFFERS: {report}", file=sys.stderr)
    with held(arguments.lock):
        for repetition in range(arguments.repeat):
            turn = repetition % max(len(taking_part), 1)
            for contender in taking_part[turn:] + taking_part[:turn]:
                row = rows[contender.name]
                try:
                    seconds, wall = timed(job, contender, folders)
                    row["samples"].append({"seconds": seconds, "wall": wall})
                except FAILURES as error:
                    row["error"] = str(error)
                    print(f"  {contender.name}: {error}", file=sys.stderr)
    shutil.rmtree(folders.own / "check", ignore_errors=True)
    return {"title": job.title, "kind": job.spec["kind"], "contenders": rows}


def once_for_check(job: Job, contender: Contender, folders: Folders) -> str:
    """An untimed run that leaves its output and warms the page cache; where the output is."""
    if contender.error:
        raise Skip(contender.error)
    folder = folders.own / "check"
    folder.mkdir(exist_ok=True)
    spec = job.spec | {"about": True}
    if job.saves:
        output = spec["out"] = str(folder / contender.name)
        Path(output).mkdir()
    else:
        end = ".npy" if spec["kind"] == "patches" else ".npz"
        output = spec["dump"] = str(folder / f"{contender.name}{end}")
    run(contender, spec, folders)
    return output


def timed(job: Job, contender: Contender, folders: Folders) -> tuple[float, float]:
    """Seconds inside and outside of a fresh process (of ours: processes)."""
    spec = dict(job.spec)
    if job.saves:
        shutil.rmtree(folders.timed, ignore_errors=True)
        folders.timed.mkdir()
        spec["out"] = str(folders.timed)
    return run(contender, spec, folders)


def run(contender: Contender, spec: dict[str, Any], folders: Folders) -> tuple[float, float]:
    """Starts what a contender needs and waits for it."""
    commands = contender.commands(spec, folders.own)
    answers = []
    before = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LIMIT, env=ENVIRONMENT
        )
        if done.returncode != 0:
            raise RuntimeError(environment.last_line(done.stderr) or f"ended {done.returncode}")
        answers.append(done.stdout)
    wall = time.perf_counter() - before
    return contender.seconds(spec, answers), wall


def check(outputs: dict[str, str], folders: Folders) -> dict[str, Any]:
    """Holds all outputs against OpenSlide's or, without it, the first one's."""
    reference = "openslide" if "openslide" in outputs else next(iter(outputs))
    request = folders.own / "check.json"
    request.write_text(json.dumps({"reference": reference, "outputs": outputs}))
    reports = json.loads(environment.tool("check.py", request))
    return {name: report | {"against": reference} for name, report in reports.items()}


def checked(outputs: dict[str, str], folders: Folders) -> dict[str, Any]:
    """The checks or, if they fail themselves, none."""
    try:
        return check(outputs, folders)
    except FAILURES as error:
        print(f"  no check: {error}", file=sys.stderr)
        return {}


@contextlib.contextmanager
def held(lock: Path | None) -> Iterator[None]:
    """Holds the lock of a file, if there is one, so that benchmarks do not disturb each other."""
    if lock is None:
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    cpu = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            cpu.setdefault(key.strip(), value.strip())
    git = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    return {
        "cpu": cpu.get("model name", platform.processor()),
        "family": cpu.get("cpu family"),
        "model": cpu.get("model"),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rustc": rustc.stdout.strip(),
        "revision": revision.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
