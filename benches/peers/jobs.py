"""The jobs and what each contender is told of them."""

import json
from dataclasses import dataclass
from typing import Any

from environment import tool
from places import FIXTURES, OUT

SLIDES = ("slide_a", "slide_b")
THREADS = 2
"""Of "best use", as many as the machine of the published page has cores."""


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    name: str
    title: str
    spec: dict[str, Any]
    """What `workloads.py` reads; `out` is set where files are written."""

    @property
    def saves(self) -> bool:
        """Whether the job writes pictures."""
        return "out" in self.spec

    @property
    def checked(self) -> bool:
        """Whether it leaves pixels to compare."""
        return self.spec["kind"] != "opening"


def every_job() -> list[Job]:
    """All jobs, in the order of the table."""
    places = OUT / "places.json"
    if not places.exists():
        tool("choose_places.py", places)
    chosen = json.loads(places.read_text())
    jobs = [
        Job("A", "lowest level of four files to PNG, default setting", lowest(best=False)),
        Job("A-best", "lowest level of four files to PNG, fastest setting", lowest(best=True)),
    ]
    for best in (False, True):
        how = "best use, 2 threads" if best else "as published, 1 thread"
        suffix = "best" if best else "published"
        memory, saved = tiling(best), tiling(best) | {"out": ""}
        jobs.append(Job(f"B-memory-{suffix}", f"tiles in memory, {how}", memory))
        jobs.append(Job(f"B-saved-{suffix}", f"tiles saved as PNG, {how}", saved))
        if best:
            title = f"tiles saved as PNG, {how}, but the default PNG setting"
            jobs.append(Job("B-saved-default", title, saved | {"fast_png": False}))
    for name, title, key, size in (
        ("C", "400 random 224² patches", "random", 224),
        ("D", "a sweep of 400 256² tiles", "sweep", 256),
    ):
        for threads in (1, 2):
            many = "1 thread" if threads == 1 else f"{threads} threads"
            spec = patches(chosen[key], size, threads) | {"sweep": key == "sweep"}
            jobs.append(Job(f"{name}{threads}", f"{title}, {many}", spec))
    for name, title, count in (("E", "first opening of a process", 1), ("E-again", "again", 20)):
        spec = {"kind": "opening", "slide": file("slide_a"), "count": count}
        jobs.append(Job(name, f"open, sizes of all levels: {title}", spec))
    return jobs


def lowest(best: bool) -> dict[str, Any]:
    """Job A."""
    files = [file(f"{slide}{end}") for slide in SLIDES for end in ("", "_mask")]
    return {"kind": "lowest", "files": files, "best": best, "out": ""}


def tiling(best: bool) -> dict[str, Any]:
    """Job B: level 1, tiles of 224, a margin of 64, more than 5 % foreground."""
    return {
        "kind": "tiling",
        "pairs": [[file(slide), file(f"{slide}_mask")] for slide in SLIDES],
        "level": 1,
        "tile_size": 224,
        "margin": 64,
        "threshold": 0.05,
        "best": best,
        "fast_png": best,
        "threads": THREADS,
    }


def patches(locations: list[list[int]], size: int, threads: int) -> dict[str, Any]:
    """Jobs C and D, at level 0."""
    return {
        "kind": "patches",
        "slide": file("slide_a"),
        "level": 0,
        "locations": locations,
        "size": size,
        "threads": threads,
    }


def file(name: str) -> str:
    """The path of a fixture."""
    return str(FIXTURES / f"{name}.tiff")
